package engine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/checkpoint"
)

// checkpointed is the checkpoint of an engine with hot and evicted calls, some
// of them held by a rule.
func checkpointed(t testing.TB, set *rules.Set) []byte {
	t.Helper()
	g := New(set, Options{})
	g.st.Calls.Capacity = 3
	for i := range 30 {
		at := t0.Add(time.Duration(i) * time.Second)
		e := typicalEnd(i, at)
		if i%9 == 0 {
			e.MOS = new(1.5)
			e.Kind, e.Final, e.EndedAt = call.Stats, false, time.Time{} // a `for` ends with the call
		}
		g.Apply(uint64(i+1), at, &e)
	}
	data, err := g.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const heldRules = "rules:\n  - {name: good, when: mos > 4.5}\n  - {name: held, when: mos < 2, for: 1h}\n"

// A checkpoint of another version or one that was cut off is refused; damage that its checksum did not show is no panic.
func TestRestoreRefuses(t *testing.T) {
	set := compileSet(t, heldRules)
	data := checkpointed(t, set)
	const own = `{"version":9`
	if !bytes.Contains(data, []byte(own)) {
		t.Fatalf("no %s in the checkpoint", own)
	}
	if _, err := Restore(set, Options{}, bytes.Replace(data, []byte(own), []byte(`{"version":8`), 1)); err != nil {
		t.Errorf("a checkpoint of the version before is refused: %v", err)
	}
	for _, other := range []string{`{"version":7`, `{"version":0`} {
		old := own
		changed := bytes.Replace(data, []byte(old), []byte(other), 1)
		if _, err := Restore(set, Options{}, changed); err == nil {
			t.Errorf("%s is restored", other)
		}
		if _, _, err := checkpoint.Forget(changed, checkpoint.Forgetting{Calls: []call.Key{{Provider: "acme", CallID: "1"}}}); err == nil {
			t.Errorf("a call is taken out of %s", other)
		}
	}
	for n := range data {
		if _, err := Restore(set, Options{}, data[:n]); err == nil {
			t.Fatalf("%d of %d bytes are restored", n, len(data))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		changed := bytes.Clone(data)
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			changed[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "by")
		}
		g, err := Restore(set, Options{}, changed)
		if err != nil {
			return
		}
		for i := range 30 {
			e := typicalEnd(i, t0)
			g.Call(e.Key())
			e.ID = "again"
			g.Apply(g.Seq()+1, t0.Add(time.Hour), &e)
		}
	})
}

// Outcomes and holds of calls follow their rules, hot or evicted, when those are
// elsewhere in the file.
func TestRestoreMovesOutcomes(t *testing.T) {
	data := checkpointed(t, compileSet(t, heldRules))
	lines := strings.SplitAfter(heldRules, "\n")
	for name, yaml := range map[string]string{
		"as before": heldRules, "turned": lines[0] + lines[2] + lines[1],
		"one more": lines[0] + "  - {name: first, when: mos < 1.2}\n" + lines[1] + lines[2], "one less": lines[0] + lines[2],
	} {
		t.Run(name, func(t *testing.T) {
			set := compileSet(t, yaml)
			g, err := Restore(set, Options{}, data)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 30 {
				e := typicalEnd(i, t0)
				cs := g.st.Calls.Get(e.Key())
				got, want := map[string]calls.Outcome{}, map[string]calls.Outcome{"good": calls.Good, "held": calls.Good}
				for j, r := range set.Rules {
					got[r.Name] = cs.Outcomes[j]
				}
				if i%9 == 0 {
					want["held"] = calls.Unseen // not decided yet
				}
				if name == "one more" {
					want["first"] = calls.Unseen
				} else if name == "one less" {
					delete(want, "good")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("call %d: %s", i, diff)
				}
			}
			out := g.Tick(g.Seq()+1, t0.Add(2*time.Hour))
			if steps := fmt.Sprint(len(out)); steps == "0" || out[0].Incident.Rule != "held" {
				t.Errorf("%s transitions: what was held is forgotten", steps)
			}
		})
	}
}
