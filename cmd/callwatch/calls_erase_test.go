package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

// onDisk says in which files below dir a text is.
func onDisk(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// An erased call is on the disk no more: neither its bodies nor its events, dead
// letters, or what the rules know of it. The calls beside it are as they were.
func TestEraseCall(t *testing.T) {
	long(t)
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
			cfg.Rules, cfg.AdminToken = writeRules(t, badCallRule), "secret-token"
			env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
			a, stop := runApp(t, cfg, nil)
			p := &process{t: t, base: "http://" + a.server.Addr().String()}
			for i := range 6 {
				put(t, a.store, birdCall(fmt.Sprintf("100%d", i), 4.1))
			}
			letter := birdCall("1003", 4.1)
			letter.Body = bytes.Replace(letter.Body, []byte(`"service"`), []byte(`service"`), 1) // no JSON any more
			put(t, a.store, letter)
			put(t, a.store, birdCall("1006", 2.5))
			p.settled()
			stop()
			for _, number := range []string{"+15550101003", "+15550101004"} {
				if files := onDisk(t, cfg.DataDir, number); len(files) < 2 {
					t.Fatalf("%s is in %q only: this test would see nothing", number, files)
				}
			}
			if !strings.Contains(checkpointText(t, cfg.DataDir), "+15550101003") {
				t.Fatal("the checkpoint does not know the call: this test would see nothing")
			}

			command := []string{"calls", "erase", "bird", "leg-1003"}
			if running {
				a, stop = runApp(t, cfg, nil)
				p = &process{t: t, base: "http://" + a.server.Addr().String()}
				p.settled()
				command = append(command, "--url", p.base)
			}
			done := answerOf[maintenance.Erased](t, env, nil, command...)
			if done.Bodies != 2 || done.Events != 1 || done.DeadLetters != 1 || !done.State {
				t.Errorf("erased: %+v", done)
			}
			again := answerOf[maintenance.Erased](t, env, nil, command...)
			if again.Bodies+again.Events+again.DeadLetters != 0 || again.State {
				t.Errorf("erased again: %+v", again)
			}
			if running {
				put(t, a.store, birdCall("1007", 4.1))
				p.settled()
				if n := p.metric("callwatch_damaged_total"); n != "0" {
					t.Errorf("%s frames or events count as damaged", n)
				}
				stop()
			}
			if files := onDisk(t, cfg.DataDir, "0101003"); len(files) != 0 {
				t.Errorf("the number is still in %q", files)
			}
			if strings.Contains(checkpointText(t, cfg.DataDir), "+15550101003") {
				t.Error("the number is still in the checkpoint")
			}

			// Those beside it are there, and callwatch goes on behind them.
			a, stop = runApp(t, cfg, nil)
			p = &process{t: t, base: "http://" + a.server.Addr().String()}
			put(t, a.store, birdCall("1008", 4.1))
			p.settled()
			if n := p.metric("callwatch_damaged_total"); n != "0" {
				t.Errorf("%s frames or events count as damaged", n)
			}
			stop()
			for _, id := range []string{"1002", "1004", "1006", "1008"} {
				page := answerOf[backend.CallHistory](t, env, nil, "calls", "show", "bird", "leg-"+id)
				if len(page.Events) != 1 || page.Call.To != "+1555010"+id {
					t.Errorf("call %s: %+v", id, page)
				}
			}
			if _, stderr, code := says(t, env, nil, "calls", "show", "bird", "leg-1003"); code != cli.ExitProblems || !strings.Contains(stderr, "no call") {
				t.Errorf("the erased call: exit %d, %s", code, stderr)
			}
		})
	}
}

// checkpointText is the checkpoint with what it knows of the calls of these tests,
// which are compressed in there.
func checkpointText(t *testing.T, dir string) (text string) {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: low, when: mos < 2}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	inStore(t, dir, func(store *stream.Store) {
		_, err := store.LoadCheckpoint(t.Context(), pipeline.CheckpointName, func(_ uint64, r io.Reader) error {
			b, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			text = string(b)
			saved, err := engine.Restore(set, engine.Options{}, b)
			for _, id := range []string{"leg-1001", "leg-1002", "leg-1003"} {
				if err == nil {
					c, _ := saved.Call(call.Key{Provider: "bird", CallID: id})
					text += c.From + " " + c.To
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return text
}

// What an incident showed of an erased call is gone with it, also from the transitions
// that are stored; its id, times and conditions remain, and that is said.
func TestEraseCallOfIncident(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules = writeRules(t, badCallRule)
	env := []string{"CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	a, stop := runApp(t, cfg, nil)
	put(t, a.store, birdCall("1001", 2.5))
	(&process{t: t, base: "http://" + a.server.Addr().String()}).settled()
	stop()
	done := answerOf[maintenance.Erased](t, env, nil, "calls", "erase", "bird", "leg-1001")
	if !done.State || done.Transitions == 0 || !strings.Contains(strings.Join(done.Remains, "\n"), "1 incident keep") {
		t.Errorf("erased: %+v", done)
	}
	if files := onDisk(t, cfg.DataDir, "0101001"); len(files) != 0 {
		t.Errorf("the number is still in %q", files)
	}
	// It was the only one, so that there is no last event any more.
	a, stop = runApp(t, cfg, nil)
	p := &process{t: t, base: "http://" + a.server.Addr().String()}
	put(t, a.store, birdCall("1002", 4.1))
	p.settled()
	if n := p.metric("callwatch_damaged_total"); n != "0" {
		t.Errorf("%s frames or events count as damaged", n)
	}
	stop()
	if page := answerOf[backend.CallHistory](t, env, nil, "calls", "show", "bird", "leg-1002"); len(page.Events) != 1 {
		t.Errorf("the call behind the erased one: %+v", page)
	}
	if text := checkpointText(t, cfg.DataDir); strings.Contains(text, "0101001") || !strings.Contains(text, "leg-1001") {
		t.Errorf("the checkpoint holds %s", text)
	}
}

// Numbers of an erased call are in no key, summary or note, whatever member they came in
// and however they are written there, also where events and bodies were removed before.
func TestEraseNumbersOfIncident(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ running, gone, number bool }{{}, {gone: true}, {running: true}, {gone: true, number: true}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
			cfg.Rules = writeRules(t, "rules:\n  - name: low\n    when: mos < 3.5\n    by: [from, connectionId]\n    summary: bad call of ${connectionId} by ${from}\n")
			cfg.AdminToken = "secret-token"
			env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
			a, stop := runApp(t, cfg, nil)
			p := &process{t: t, base: "http://" + a.server.Addr().String()}
			of := func(id, from, line string) stream.Record {
				r := birdCall(id, 2.5)
				r.Body = bytes.Replace(r.Body, []byte(`"channelId":"c1"`), fmt.Appendf(nil, `"from":%q,"channelId":%q`, from, line), 1)
				return r
			}
			put(t, a.store, of("1001", "0612345688", "+49 30 90182077"))
			put(t, a.store, of("1002", "+33612345677", "order-612345688"))
			p.settled()
			for _, text := range []string{"called 06 12 34 56 88", "line 030/90182077 is bad", "2026-03-14 is fine"} {
				note, err := rules.Action{Do: rules.AddNote, By: "ada", Incident: "inc_1", Text: text}.JSON()
				if err == nil {
					_, err = a.store.PublishAction(t.Context(), note)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			p.settled()
			command := []string{"calls", "erase", "bird", "leg-1001"}
			if c.number {
				command = []string{"calls", "erase", "--number", "0049 30 90182077", "--yes"}
			}
			if c.running {
				command = append(command, "--url", p.base)
			} else {
				stop()
			}
			if c.gone {
				inStore(t, cfg.DataDir, func(store *stream.Store) {
					n, err := store.EraseRecords(t.Context(), []stream.Position{{Seq: 1}})
					if err == nil {
						err = store.EraseEvents(t.Context(), time.Now(), []uint64{1})
					}
					if n != 1 || err != nil {
						t.Fatal(n, err)
					}
				})
			}
			if len(onDisk(t, cfg.DataDir, "90182077")) < 2 {
				t.Fatal("the number is not in the incident: this test would see nothing")
			}
			if done := answerOf[maintenance.Erased](t, env, nil, command...); !done.State || done.Transitions == 0 {
				t.Errorf("erased: %+v", done)
			}
			if c.running {
				put(t, a.store, birdCall("1003", 4.1))
				p.settled()
				stop()
			}
			for _, text := range []string{"0612345688", "06 12 34 56 88", "90182077"} {
				if files := onDisk(t, cfg.DataDir, text); len(files) != 0 || strings.Contains(checkpointText(t, cfg.DataDir), text) {
					t.Errorf("%s is still in %q, or in the checkpoint", text, files)
				}
			}
			for _, text := range []string{"+33612345677", "order-612345688", "2026-03-14 is fine"} {
				if len(onDisk(t, cfg.DataDir, text)) == 0 {
					t.Errorf("%s is gone", text)
				}
			}
		})
	}
}

// Stopped after any of its steps, erasing is finished by the next run.
func TestEraseCallIsFinishedByTheNextRun(t *testing.T) {
	t.Parallel()
	first := stream.Position{Seq: 1}
	for name, before := range map[string]func(t *testing.T, store *stream.Store){
		"bodies": func(t *testing.T, store *stream.Store) {
			if n, err := store.EraseRecords(t.Context(), []stream.Position{first}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		},
		"bodies and events": func(t *testing.T, store *stream.Store) {
			if n, err := store.EraseRecords(t.Context(), []stream.Position{first}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if err := store.EraseEvents(t.Context(), time.Now(), []uint64{1}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
			cfg.Rules = writeRules(t, badCallRule)
			env := []string{"CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
			a, stop := runApp(t, cfg, nil)
			put(t, a.store, birdCall("1001", 4.1))
			put(t, a.store, birdCall("1002", 4.1))
			(&process{t: t, base: "http://" + a.server.Addr().String()}).settled()
			stop()
			inStore(t, cfg.DataDir, func(store *stream.Store) { before(t, store) })
			if done := answerOf[maintenance.Erased](t, env, nil, "calls", "erase", "bird", "leg-1001"); !done.State {
				t.Errorf("erased: %+v", done)
			}
			if files := onDisk(t, cfg.DataDir, "0101001"); len(files) != 0 || strings.Contains(checkpointText(t, cfg.DataDir), "0101001") {
				t.Errorf("the number is still in %q, or in the checkpoint", files)
			}
			if counts := eventsByCall(t, cfg.DataDir); len(counts) != 1 || counts["leg-1002"] != 1 {
				t.Errorf("events: %v", counts)
			}
		})
	}
}

// What comes of an erased call is acknowledged and not kept, be it a webhook, or one
// that was stored before the tombstone was known; other calls go on.
func TestErasedCallStaysOut(t *testing.T) {
	t.Parallel()
	a, base := running(t, func(c *config.Config) {
		c.Providers = map[string]map[string]config.Secret{}
		c.SetProvider("bird", normalizer.URLToken, proofToken)
	})
	p := &process{t: t, base: base}
	hook := base + "/webhooks/bird/" + proofToken
	send := func(id string) { push(t, hook, string(birdCall(id, 4.1).Body)) }
	send("1001")
	send("1002")
	p.settled()
	if _, err := a.work(t.Context(), "erase", url.Values{"provider": {"bird"}, "call": {"leg-1001"}}, nil, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	other := birdCall("1001", 3.9) // not the request that is known already
	push(t, hook, string(other.Body))
	put(t, a.store, other) // beside the check before storing
	send("1003")
	p.settled()
	eventually(t, "the late webhook is blanked", func() bool { return len(onDisk(t, a.cfg.DataDir, "0101001")) == 0 })
	if ids := callIDs(t, a, "bird"); len(ids) != 2 || ids["leg-1001"] {
		t.Errorf("calls %v", ids)
	}
	if n := p.metric(`callwatch_webhooks_erased_total{provider="bird"}`); n != "2" {
		t.Errorf("%s webhooks of erased calls are counted, want 2", n)
	}
	if n := p.metric("callwatch_damaged_total"); n != "0" {
		t.Errorf("%s frames count as damaged", n)
	}
}

// All calls of a number are erased, in whatever spelling it is given and written;
// nothing without --yes.
func TestEraseNumber(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules = writeRules(t, "rules:\n  - name: bad-number\n    when: mos < 3.5\n    by: [to]\n    summary: bad calls to ${to}\n")
	env := []string{"CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	a, stop := runApp(t, cfg, nil)
	german := func(id string) stream.Record {
		r := birdCall(id, 2.1)
		r.Body = bytes.Replace(r.Body, []byte("+1555010"+id), []byte("+4915112345678"), 1)
		return r
	}
	put(t, a.store, german("1001"))
	put(t, a.store, birdCall("1002", 2.1))
	put(t, a.store, german("1003"))
	letter := german("1004")
	letter.Body = bytes.Replace(bytes.Replace(letter.Body, []byte(`"service"`), []byte(`service"`), 1), []byte("+4915112345678"), []byte("0151 / 1234-5678"), 1)
	put(t, a.store, letter)
	(&process{t: t, base: "http://" + a.server.Addr().String()}).settled()
	stop()
	dry := answerOf[maintenance.Erased](t, env, nil, "calls", "erase", "--number", "0049 (0)151 12345678")
	if !dry.DryRun || dry.Events != 2 || dry.Bodies != 3 || len(dry.Calls) != 2 || len(onDisk(t, cfg.DataDir, "15112345678")) == 0 {
		t.Errorf("without --yes: %+v", dry)
	}
	done := answerOf[maintenance.Erased](t, env, nil, "calls", "erase", "--number", "tel:+49-151-12345678", "--yes")
	if done.DryRun || done.Events != 2 || done.Bodies != 3 || done.DeadLetters != 1 || !done.State || done.Transitions == 0 {
		t.Errorf("erased: %+v", done)
	}
	for _, text := range []string{"15112345678", "0151 / 1234-5678"} {
		if files := onDisk(t, cfg.DataDir, text); len(files) != 0 {
			t.Errorf("%s is still in %q", text, files)
		}
	}
	if strings.Contains(checkpointText(t, cfg.DataDir), "15112345678") {
		t.Error("the number is still in the checkpoint")
	}
	if counts := eventsByCall(t, cfg.DataDir); len(counts) != 1 || counts["leg-1002"] != 1 {
		t.Errorf("events: %v", counts)
	}
	for _, wrong := range [][]string{{"--number", "0151 12345678"}, {"--number", "+4915112345678", "bird", "leg-1"}, {"bird"}, {"bird", "leg-1", "--dry-run", "--yes"}} {
		if _, _, code := says(t, env, nil, append([]string{"calls", "erase"}, wrong...)...); code == 0 {
			t.Errorf("%v is taken", wrong)
		}
	}
}

// A number is erased in whatever encoding a body has it, and calls of other numbers that
// end like it stay.
func TestEraseNumberInBodies(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules = writeRules(t, badCallRule)
	env := []string{"CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	a, stop := runApp(t, cfg, nil)
	letters := []string{
		"from=%2B49+151+12345678&x=1", "q=%204915112345678", `{"to":"\u002b\u0034\u0039\u003151 12345678`, "rec?to=%2B49%20151%2012345678", "n=+49+151+12345678", "%22%3A%224915112345678%22",
		"+49\u2011151\u201112345678", "+49151\u200b12345678",
	}
	for _, text := range letters {
		r := birdCall("1001", 4.1)
		r.Body = []byte("{" + text)
		put(t, a.store, r)
	}
	with := func(id, to, note string) {
		r := birdCall(id, 4.1)
		r.Body = bytes.Replace(r.Body, []byte("+1555010"+id), []byte(to), 1)
		r.Body = bytes.Replace(r.Body, []byte(`"duration"`), fmt.Appendf(nil, `"note":%q,"duration"`, note), 1)
		put(t, a.store, r)
	}
	with("1002", "+4915112345678", "")
	with("1003", "+15112345678", "order 15112345678 shipped")
	with("1004", "+14155552671", "see https://h/rec?to=%2B49%20151%2012345678")
	with("1005", "+44 15112345678", "id 49151123456789")
	(&process{t: t, base: "http://" + a.server.Addr().String()}).settled()
	stop()
	done := answerOf[maintenance.Erased](t, env, nil, "calls", "erase", "--number", "+49 151 12345678", "--yes")
	if done.Events != 2 || done.Bodies != len(letters)+2 || done.DeadLetters != len(letters) {
		t.Errorf("erased: %+v", done)
	}
	for _, text := range append(letters, "+4915112345678") {
		if files := onDisk(t, cfg.DataDir, text); len(files) != 0 {
			t.Errorf("%s is still in %q", text, files)
		}
	}
	if counts := eventsByCall(t, cfg.DataDir); len(counts) != 2 || counts["leg-1003"] != 1 || counts["leg-1005"] != 1 {
		t.Errorf("events: %v", counts)
	}
}
