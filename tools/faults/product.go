package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/stream/natstest"
	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

// product is a callwatch under test: one data directory and one address, and a
// process that comes and goes.
type product struct {
	t       *trial
	binary  string
	wrap    []string // program and arguments before the binary: a tracer, a limit
	data    string
	rules   string
	address string
	secrets simulate.Secrets
	env     []string
	log     *os.File
	cmd     *exec.Cmd
	starts  int
}

// badCalls is the rule whose incidents are counted: one per call, each with a
// thread of its own however many there are.
const badCalls = `rules:
  - name: bad-call
    when: packetsLost > 50 || mos < 3.5
    by: [provider, callId]
    on: [progress, stats, ended, report]
    resolve_after: 3d
    max_keys: 1000000
routes:
  - slack: "#voice"
    storm: off
`

// stormRules are the same with the usual limit of new threads.
var stormRules, _, _ = strings.Cut(badCalls, "routes:")

func (p *product) writeRules(text string) error { return os.WriteFile(p.rules, []byte(text), 0o600) }

// install builds callwatch and prepares a data directory. w is its Slack.
func (t *trial) install(w *checker.Client) (*product, error) {
	on := t.enable
	if t.mutate != variants.None {
		on = append(on, t.mutate)
	}
	if len(on) > 0 {
		t.variant = map[variants.Variant]variants.Variant{variants.Plain: variants.Mutated, variants.Clocked: variants.ClockedMutated}[t.variant]
	}
	binary, err := t.builds.Get(t, t.variant)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetup, err)
	}
	p := &product{t: t, binary: binary, data: filepath.Join(t.dir, "data"), rules: filepath.Join(t.dir, "rules.yaml")}
	if p.secrets, err = registry.Simulators().Generate(rand.NewChaCha8([32]byte{7})); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.rules, []byte(badCalls), 0o600); err != nil {
		return nil, err
	}
	if p.address, err = natstest.FreeAddress(); err != nil {
		return nil, err
	}
	if p.log, err = os.OpenFile(filepath.Join(t.dir, "callwatch.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	for provider, keys := range p.secrets.Receive {
		n, _ := registry.Find(provider)
		for setting, values := range keys {
			p.env = append(p.env, n.EnvName(setting)+"="+strings.Join(values, ","))
		}
	}
	names := make([]string, len(on))
	for i, m := range on {
		names[i] = string(m)
	}
	p.env = append(p.env, variants.MutationsEnv+"="+strings.Join(names, ","), "HOME="+os.Getenv("HOME"), "PATH="+os.Getenv("PATH"), "CALLWATCH_LISTEN="+p.address, "CALLWATCH_DATA_DIR="+p.data,
		"CALLWATCH_RULES="+p.rules, "CALLWATCH_PUBLIC_URL="+p.url(), "CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice",
		"CALLWATCH_SLACK_API_URL="+w.Slack, "CALLWATCH_SLACK_RATE=1000", "CALLWATCH_LOG_LEVEL=warn")
	return p, nil
}

func (p *product) url() string { return "http://" + p.address }

// start starts the process and waits until it takes webhooks.
func (p *product) start() error {
	if err := p.launch(); err != nil {
		return err
	}
	limit := time.Minute
	if p.t.mutate != variants.None {
		limit = 30 * time.Second // some mutations keep it from getting ready
	}
	return p.await("callwatch is ready", limit, func() bool { return p.ready() == "" })
}

// launch starts the process and does not wait.
func (p *product) launch() error {
	args := append(append([]string{}, p.wrap...), p.binary, "serve")
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.t.dir, p.env, p.log, p.log
	ownGroup(p.cmd)
	p.starts++
	return p.cmd.Start()
}

// kill ends the process as a crash does.
func (p *product) kill() {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		_ = killGroup(p.cmd.Process.Pid)
		_ = p.cmd.Wait()
	}
}

// stop ends the process as an operator does.
func (p *product) stop() error {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	killer := time.AfterFunc(30*time.Second, p.kill)
	defer killer.Stop()
	return p.cmd.Wait()
}

// ready is why the process is not ready, "" when it is.
func (p *product) ready() string {
	status, body, err := p.get("/readyz?verbose")
	if err != nil {
		return err.Error()
	}
	if status == http.StatusOK {
		return ""
	}
	return body
}

func (p *product) get(path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(p.t, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	return res.StatusCode, string(b), err
}

// metric asks for one sample of /metrics.
func (p *product) metric(name string) string { return sample(p.metrics(), name) }

func (p *product) metrics() string {
	_, body, err := p.get("/metrics")
	if err != nil {
		return ""
	}
	return body
}

// sample is one sample of what /metrics said, "" where there is none.
func sample(body, name string) string {
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	return ""
}

// settled waits until everything accepted was normalized, judged and announced.
func (p *product) settled(limit time.Duration) error {
	return p.finished(limit, "normalize", "judge", "announce")
}

// finished waits until some stages have nothing left to do. limit is how long
// nothing may move on the way there: how long it takes in all depends on how many
// incidents wait, and a faulty Slack takes one or two a second.
func (p *product) finished(limit time.Duration, stages ...string) error {
	for _, stage := range stages {
		for {
			now := p.progress(stage)
			if now.left == "0" {
				break
			}
			if err := p.await(stage+" goes on", limit, func() bool { return p.progress(stage) != now }); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress is what a stage has still to do, and what was sent to Slack so far.
type progress struct{ left, posted, edited string }

func (p *product) progress(stage string) progress {
	body := p.metrics()
	sent := func(what string) string {
		return sample(body, `callwatch_notifications_total{channel="#voice",what="`+what+`"}`)
	}
	return progress{sample(body, `callwatch_backlog_messages{stage="`+stage+`"}`), sent("posted"), sent("edited")}
}

// await polls until ok; it fails when the process has ended or time is up.
func (p *product) await(what string, limit time.Duration, ok func() bool) error {
	deadline := time.Now().Add(limit)
	for {
		asked := time.Now()
		switch {
		case ok():
			return nil
		case p.t.Err() != nil:
			return p.t.Err()
		case !alive(p.cmd.Process.Pid):
			return fmt.Errorf("callwatch ended by itself; waited for: %s\n%s", what, p.lastWords())
		case time.Now().After(deadline):
			return fmt.Errorf("not within %v: %s (ready: %s)\n%s", limit, what, p.ready(), p.lastWords())
		}
		time.Sleep(max(10*time.Millisecond, min(4*time.Since(asked), time.Second))) // others need the processor too
	}
}

// alive says whether the process runs: a zombie does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return exists(pid) && !hasProc()
	}
	_, state, ok := strings.Cut(string(b), ") ")
	return ok && !strings.HasPrefix(state, "Z")
}

func hasProc() bool { _, err := os.Stat("/proc/self/stat"); return err == nil }

// lastWords are the last lines of the log.
func (p *product) lastWords() string {
	const most = 3000
	info, err := p.log.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, most)
	n, _ := p.log.ReadAt(b, max(0, info.Size()-most))
	return string(b[:n])
}
