package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/rig"
)

// erasing is a call of Bird that is erased: it has a number that no other call has,
// which its webhooks write in two ways.
type erasing struct {
	id, digits, written string
}

func newErasing(n int) erasing {
	return erasing{fmt.Sprintf("erased-%02d", n), fmt.Sprintf("151234567%02d", n), fmt.Sprintf("+49 (0)151 / 234 567 %02d", n)}
}

func (c erasing) webhook(status string, mos float64) string {
	return fmt.Sprintf(`{"event":"voice.outbound","service":"channels","payload":{"id":%q,"channelId":"c","status":%q,"direction":"outgoing","to":"+49%s",`+
		`"note":%q,"duration":40,"endedAt":%q,"mediaMetrics":{"mos":%g}}}`, c.id, status, c.digits, c.written, time.Now().UTC().Format(time.RFC3339), mos)
}

// EraseRow erases calls in several orders of events under load, with restarts and
// kills behind each, and looks for their numbers in every file of the store.
func EraseRow(t *rig.Trial) error {
	r, err := t.Rig(8, 0.5)
	if err != nil {
		return err
	}
	defer r.Close()
	var api birdAPI
	server := httptest.NewServer(&api)
	defer server.Close()
	token := "erase-token"
	for name, value := range map[string]string{
		"CALLWATCH_BIRD_" + normalizer.URLToken: token, "CALLWATCH_BIRD_ACCESS_KEY": "key", "CALLWATCH_BIRD_WORKSPACE_ID": "w", "CALLWATCH_BIRD_API_URL": server.URL,
		"CALLWATCH_ADMIN_TOKEN": rig.AdminToken,
	} {
		r.Setenv(strings.ToUpper(name), value)
	}
	r.Load.Requests = without(r.Load.Requests, "bird")
	r.Load.Rate = 50
	x := eraseTrial{Rig: r, api: &api, hook: r.URL() + "/webhooks/bird/" + token}
	r.Load.Begin()
	rounds := t.Times(1, 5)
	for range rounds {
		for _, order := range []struct {
			name string
			run  func(erasing) error
		}{
			{"during a pending fetch", x.duringFetch},
			{"before the end of the call", x.beforeEnd},
			{"behind an incident", x.behindIncident},
			{"before an import", x.beforeImport},
			{"before the same webhook again", x.beforeAgain},
			{"behind many checkpoints, then killed", x.behindCheckpoints},
			{"by its number, in another spelling", x.byNumber},
		} {
			x.n++
			c := newErasing(x.n)
			if err := x.order(c, order.name, order.run); err != nil {
				return fmt.Errorf("erased %s: %w", order.name, err)
			}
			if x.found > 0 {
				return fmt.Errorf("erased %s: the number was found %d times", order.name, x.found)
			}
		}
	}
	if err := r.Afterwards(); err != nil {
		return err
	}
	unsettled := r.Settled(t.Patience())
	if err := r.Stop(); err != nil {
		return err
	}
	for n := range x.n {
		x.look(newErasing(n+1), "at the end")
	}
	v, err := r.Checker.Verify(r.Data)
	if err != nil {
		return err
	}
	t.Verdict = v
	t.Count("%d calls erased in 7 orders, %d times a number was looked for, %d times found", x.n, x.looks, x.found)
	t.Count("of the others %d acknowledged, lost %d, missing %d, twice %d", v.Acked, v.Lost, v.Missing, v.Twice)
	for _, s := range v.Sample {
		t.Say("%s", s)
	}
	switch {
	case x.found > 0:
		return fmt.Errorf("a number was found %d times", x.found)
	case v.Lost+v.Missing+v.Twice > 0 || v.Acked == 0:
		return fmt.Errorf("of the other calls %d lost, %d incidents missing, %d twice", v.Lost, v.Missing, v.Twice)
	}
	return unsettled
}

// without leaves out the requests of a provider.
func without(all iter.Seq[simulate.Request], provider string) iter.Seq[simulate.Request] {
	return func(yield func(simulate.Request) bool) {
		for r := range all {
			if r.Provider != provider && !yield(r) {
				return
			}
		}
	}
}

// birdAPI lists the calls that were erased, and does not know a report before it is
// told to tell.
type birdAPI struct {
	tells  atomic.Pointer[erasing]
	listed atomic.Pointer[[]erasing]
}

func (b *birdAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := b.tells.Load()
	w.Header().Set("Content-Type", "application/json")
	if listed := b.listed.Load(); listed != nil && strings.HasSuffix(r.URL.Path, "/channels/calls") {
		var calls []string
		for _, c := range *listed {
			calls = append(calls, c.call())
		}
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(calls, ","))
		return
	}
	if c == nil || !strings.Contains(r.URL.Path, c.id) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "{}")
		return
	}
	_, _ = io.WriteString(w, c.call())
}

// call is what the API returns about a call.
func (c erasing) call() string {
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"id":%q,"channelId":"c","status":"completed","direction":"outgoing","to":"+49%s","duration":40,"createdAt":%q,"endedAt":%q,"updatedAt":%q,"mediaMetrics":{"mos":4.1}}`,
		c.id, c.digits, now, now, now)
}

type eraseTrial struct {
	*rig.Rig
	api             *birdAPI
	hook            string
	erased          []erasing
	n, looks, found int
}

// order starts callwatch, makes one order of events and looks for the number at once,
// after a stop, and after a kill.
func (x *eraseTrial) order(c erasing, name string, run func(erasing) error) error {
	if err := x.Start(); err != nil {
		return err
	}
	if err := run(c); err != nil {
		return err
	}
	x.look(c, name)
	x.erased = append(x.erased, c)
	x.api.listed.Store(new(slices.Clone(x.erased))) // each start sweeps
	if x.Cmd.ProcessState == nil {
		if err := x.Stop(); err != nil {
			return err
		}
		x.look(c, name+", stopped")
	}
	if err := x.Start(); err != nil {
		return err
	}
	if err := x.Settled(x.T.Patience()); err != nil {
		return err
	}
	x.look(c, name+", started again")
	x.Kill()
	x.look(c, name+", killed")
	return nil
}

// push sends a webhook and waits until it is judged.
func (x *eraseTrial) push(body string) error {
	req, err := http.NewRequestWithContext(x.T, http.MethodPost, x.hook, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("a webhook is answered %d", res.StatusCode)
	}
	return x.Finished(x.T.Patience(), "normalize", "judge")
}

func (x *eraseTrial) command(args ...string) (string, error) {
	cmd := exec.CommandContext(x.T, x.Binary, append(args, "--url", x.URL())...)
	cmd.Env, cmd.Dir = x.Env, x.T.Dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("callwatch %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (x *eraseTrial) erase(c erasing) error {
	if files := x.files(c); len(files) == 0 {
		return fmt.Errorf("%w: the number is in no file before it is erased", rig.ErrSetup)
	}
	_, err := x.command("calls", "erase", "bird", c.id)
	return err
}

func (x *eraseTrial) duringFetch(c erasing) error {
	if err := x.push(c.webhook("completed", 4.1)); err != nil {
		return err
	}
	if err := x.erase(c); err != nil {
		return err
	}
	x.api.tells.Store(&c)
	defer x.api.tells.Store(nil)
	rig.Pause(x.T, 7*time.Second) // the first attempt is five seconds behind the end
	return nil
}

func (x *eraseTrial) beforeEnd(c erasing) error {
	return errors.Join(x.push(c.webhook("ongoing", 4.1)), x.erase(c), x.push(c.webhook("completed", 4.1)))
}

func (x *eraseTrial) behindIncident(c erasing) error {
	if err := x.push(c.webhook("completed", 2.1)); err != nil {
		return err
	}
	return errors.Join(x.Settled(x.T.Patience()), x.erase(c))
}

func (x *eraseTrial) beforeImport(c erasing) error {
	if err := errors.Join(x.push(c.webhook("completed", 4.1)), x.erase(c)); err != nil {
		return err
	}
	file := filepath.Join(x.T.Dir, "import.ndjson")
	if err := os.WriteFile(file, []byte(c.webhook("completed", 3.9)+"\n"), 0o600); err != nil {
		return err
	}
	_, err := x.command("import", "bird", "--file", file)
	return err
}

func (x *eraseTrial) beforeAgain(c erasing) error {
	hook := c.webhook("completed", 4.1)
	return errors.Join(x.push(hook), x.erase(c), x.push(hook), x.Stop(), x.Start(), x.push(hook))
}

func (x *eraseTrial) behindCheckpoints(c erasing) error {
	if err := x.push(c.webhook("completed", 4.1)); err != nil {
		return err
	}
	for i := range 4 { // each stop stores a checkpoint
		other := newErasing(90 + i)
		other.id = fmt.Sprintf("%s-%d", other.id, x.n)
		if err := errors.Join(x.Stop(), x.Start(), x.push(other.webhook("completed", 4.1))); err != nil {
			return err
		}
	}
	err := x.erase(c)
	x.Kill()
	return err
}

func (x *eraseTrial) byNumber(c erasing) error {
	again := c
	again.id += "-again"
	if err := errors.Join(x.push(c.webhook("completed", 4.1)), x.push(again.webhook("completed", 2.2)), x.Settled(x.T.Patience())); err != nil {
		return err
	}
	if len(x.files(c)) == 0 {
		return fmt.Errorf("%w: the number is in no file before it is erased", rig.ErrSetup)
	}
	number := "0049 " + c.digits[:3] + "-" + c.digits[3:]
	out, err := x.command("calls", "erase", "--number", number)
	if err == nil && (!strings.Contains(out, again.id) || len(x.files(c)) == 0) {
		err = fmt.Errorf("without --yes: %s", out)
	}
	if err == nil {
		_, err = x.command("calls", "erase", "--number", number, "--yes")
	}
	return err
}

func (x *eraseTrial) look(c erasing, when string) {
	x.looks++
	if files := x.files(c); len(files) > 0 {
		x.found++
		x.T.Say("%s: %s is in %s", when, c.digits, strings.Join(files, ", "))
	}
}

// files of the data directory that hold the number of a call.
func (x *eraseTrial) files(c erasing) (found []string) {
	_ = filepath.WalkDir(x.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // the server may have removed it
		}
		if b, err := os.ReadFile(path); err == nil && holds(b, []byte(c.digits), []byte(c.written)) {
			name, _ := filepath.Rel(x.Data, path)
			found = append(found, name)
		}
		return nil
	})
	slices.Sort(found)
	return found
}

// holds looks for texts in the bytes of a file, and in what is compressed there.
func holds(b []byte, texts ...[]byte) bool {
	has := func(b []byte) bool {
		return slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(b, text) })
	}
	if has(b) {
		return true
	}
	for {
		at := bytes.Index(b, []byte{0x28, 0xb5, 0x2f, 0xfd})
		if at < 0 {
			return false
		}
		if zip, err := zstd.NewReader(bytes.NewReader(b[at:]), zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true)); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(zip, 16<<20)) // up to where it is no frame any more
			zip.Close()
			if has(plain) {
				return true
			}
		}
		b = b[at+4:]
	}
}
