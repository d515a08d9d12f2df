package rig

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

// Product is a callwatch under test: one data directory and one address, and a
// process that comes and goes.
type Product struct {
	T       *Trial
	Binary  string
	Wrap    []string // program and arguments before the binary: a tracer, a limit
	Data    string
	Rules   string
	Address string
	Secrets simulate.Secrets
	Env     []string
	Log     *os.File
	Cmd     *exec.Cmd
	starts  int
}

// AdminToken is the API's, where a row needs it.
const AdminToken = "faults-admin-token-0123456789abcdef"

// BadCalls is the rule whose incidents are counted: one per call, each with a
// thread of its own however many there are.
const BadCalls = `rules:
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

// StormRules are the same with the usual limit of new threads.
var StormRules, _, _ = strings.Cut(BadCalls, "routes:")

func (p *Product) WriteRules(text string) error { return os.WriteFile(p.Rules, []byte(text), 0o600) }

// Install builds callwatch and prepares a data directory. w is its Slack.
func (t *Trial) Install(w *checker.Client) (*Product, error) {
	on := t.Enable
	if t.Mutate != variants.None {
		on = append(on, t.Mutate)
	}
	if len(on) > 0 {
		t.Variant = map[variants.Variant]variants.Variant{variants.Plain: variants.Mutated, variants.Clocked: variants.ClockedMutated}[t.Variant]
	}
	binary, err := t.Builds.Get(t, t.Variant)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	p := &Product{T: t, Binary: binary, Data: filepath.Join(t.Dir, "data"), Rules: filepath.Join(t.Dir, "rules.yaml")}
	if p.Secrets, err = registry.Simulators().Generate(rand.NewChaCha8([32]byte{7})); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.Rules, []byte(BadCalls), 0o600); err != nil {
		return nil, err
	}
	if p.Address, err = natstest.FreeAddress(); err != nil {
		return nil, err
	}
	if p.Log, err = os.OpenFile(filepath.Join(t.Dir, "callwatch.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	for provider, keys := range p.Secrets.Receive {
		n, _ := registry.Find(provider)
		for setting, values := range keys {
			p.Env = append(p.Env, n.EnvName(setting)+"="+strings.Join(values, ","))
		}
	}
	names := make([]string, len(on))
	for i, m := range on {
		names[i] = string(m)
	}
	p.Env = append(p.Env, variants.MutationsEnv+"="+strings.Join(names, ","), "HOME="+os.Getenv("HOME"), "PATH="+os.Getenv("PATH"), "CALLWATCH_LISTEN="+p.Address, "CALLWATCH_DATA_DIR="+p.Data,
		"CALLWATCH_RULES="+p.Rules, "CALLWATCH_PUBLIC_URL="+p.URL(), "CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice",
		"CALLWATCH_SLACK_API_URL="+w.Slack, "CALLWATCH_SLACK_RATE=1000", "CALLWATCH_LOG_LEVEL=warn")
	return p, nil
}

func (p *Product) URL() string { return "http://" + p.Address }

// Start starts the process and waits until it takes webhooks.
func (p *Product) Start() error {
	if err := p.Launch(); err != nil {
		return err
	}
	limit := time.Minute
	if p.T.Mutate != variants.None {
		limit = 30 * time.Second // some mutations keep it from getting ready
	}
	return p.Await("callwatch is ready", limit, func() bool { return p.Ready() == "" })
}

// Launch starts the process and does not wait.
func (p *Product) Launch() error {
	args := append(append([]string{}, p.Wrap...), p.Binary, "serve")
	p.Cmd = exec.Command(args[0], args[1:]...)
	p.Cmd.Dir, p.Cmd.Env, p.Cmd.Stdout, p.Cmd.Stderr = p.T.Dir, p.Env, p.Log, p.Log
	ownGroup(p.Cmd)
	p.starts++
	return p.Cmd.Start()
}

// Kill ends the process as a crash does.
func (p *Product) Kill() {
	if p.Cmd != nil && p.Cmd.ProcessState == nil {
		_ = killGroup(p.Cmd.Process.Pid)
		_ = p.Cmd.Wait()
	}
}

// Stop ends the process as an operator does.
func (p *Product) Stop() error {
	if p.Cmd == nil || p.Cmd.ProcessState != nil {
		return nil
	}
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	killer := time.AfterFunc(30*time.Second, p.Kill)
	defer killer.Stop()
	return p.Cmd.Wait()
}

// Ready is why the process is not ready, "" when it is.
func (p *Product) Ready() string {
	status, body, err := p.Get("/readyz?verbose")
	if err != nil {
		return err.Error()
	}
	if status == http.StatusOK {
		return ""
	}
	return body
}

func (p *Product) Get(path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(p.T, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+path, nil)
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

// Metric asks for one sample of /metrics.
func (p *Product) Metric(name string) string { return sample(p.metrics(), name) }

func (p *Product) metrics() string {
	_, body, err := p.Get("/metrics")
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

// Settled waits until everything accepted was normalized, judged and announced.
func (p *Product) Settled(limit time.Duration) error {
	return p.Finished(limit, "normalize", "judge", "announce")
}

// Finished waits until some stages have nothing left to do. limit is how long
// nothing may move on the way there: how long it takes in all depends on how many
// incidents wait, and a faulty Slack takes one or two a second.
func (p *Product) Finished(limit time.Duration, stages ...string) error {
	for _, stage := range stages {
		for {
			now := p.Progress(stage)
			if now.left == "0" {
				break
			}
			if err := p.Await(stage+" goes on", limit, func() bool { return p.Progress(stage) != now }); err != nil {
				return err
			}
		}
	}
	return nil
}

// Progress is what a stage has still to do, and what was sent to Slack so far.
type Progress struct{ left, posted, edited string }

// Progress is how far a stage is. Two that are equal are of a stage that did nothing in
// between.
func (p *Product) Progress(stage string) Progress {
	body := p.metrics()
	sent := func(what string) string {
		return sample(body, `callwatch_notifications_total{channel="#voice",what="`+what+`"}`)
	}
	return Progress{sample(body, `callwatch_backlog_messages{stage="`+stage+`"}`), sent("posted"), sent("edited")}
}

// Await polls until ok; it fails when the process has ended or time is up.
func (p *Product) Await(what string, limit time.Duration, ok func() bool) error {
	deadline := time.Now().Add(limit)
	for {
		asked := time.Now()
		switch {
		case ok():
			return nil
		case p.T.Err() != nil:
			return p.T.Err()
		case !Alive(p.Cmd.Process.Pid):
			return fmt.Errorf("callwatch ended by itself; waited for: %s\n%s", what, p.LastWords())
		case time.Now().After(deadline):
			return fmt.Errorf("not within %v: %s (ready: %s)\n%s", limit, what, p.Ready(), p.LastWords())
		}
		time.Sleep(max(10*time.Millisecond, min(4*time.Since(asked), time.Second))) // others need the processor too
	}
}

// Alive says whether the process runs: a zombie does not.
func Alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return exists(pid) && !hasProc()
	}
	_, state, ok := strings.Cut(string(b), ") ")
	return ok && !strings.HasPrefix(state, "Z")
}

func hasProc() bool { _, err := os.Stat("/proc/self/stat"); return err == nil }

// LastWords are the last lines of the log.
func (p *Product) LastWords() string {
	const most = 3000
	info, err := p.Log.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, most)
	n, _ := p.Log.ReadAt(b, max(0, info.Size()-most))
	return string(b[:n])
}

// Fill starts callwatch and sends it a number of calls.
func (p *Product) Fill(w *checker.Client, calls int, bad float64) error {
	if err := p.Start(); err != nil {
		return err
	}
	l, err := p.NewLoad(w, 32, bad)
	if err != nil {
		return err
	}
	if l.Requests, err = p.Traffic(p.T.Seed, calls, bad); err != nil {
		return err
	}
	l.Begin()
	l.Drain()
	return nil
}

// Setenv changes a variable for the next start.
func (p *Product) Setenv(name, value string) {
	for i, v := range p.Env {
		if strings.HasPrefix(v, name+"=") {
			p.Env[i] = name + "=" + value
			return
		}
	}
	p.Env = append(p.Env, name+"="+value)
}
