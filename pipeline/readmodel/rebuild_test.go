package readmodel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/rules/engine/checkpoint"
)

// A model that grew while events came, stopped in the middle, was erased from and
// whose file was damaged, has the same content as one that is built at the end.
func TestRebuildEqualsGrown(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			const calls = 40
			w := newWorld(t, seed)
			grown := w.model("grown")
			grown.cached = []int{1, 5, mostCached, 20}[seed]
			var erased []string
			for phase := range 5 {
				if phase > 0 {
					w.damage(grown.cfg.Path)
				}
				w.run(grown, func() {
					for range 3 {
						w.publish(20+w.r.IntN(60), calls)
						w.alert(calls)
						if phase%2 == 0 {
							time.Sleep(time.Duration(w.r.IntN(300)) * time.Millisecond) // batches end anywhere
						}
					}
					if w.r.IntN(3) == 0 {
						return // killed while it works
					}
					if phase%2 == 0 {
						w.current(grown)
					} // else it is erased from while it is built
					k := call.Key{Provider: "acme", CallID: fmt.Sprintf("call-%05d", w.r.IntN(calls))}
					w.erase(k)
					erased = append(erased, fmt.Sprintf("named: callId=%s provider=%s ", k.CallID, k.Provider))
					if _, err := grown.Erase(t.Context(), checkpoint.Forgetting{Calls: []call.Key{k}}); err != nil {
						t.Error(err)
					}
					w.expire(uint64(w.r.IntN(20)))
					if err := grown.retain(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			w.run(grown, func() { w.current(grown) })
			fresh := w.model("fresh")
			fresh.cached = []int{3, mostCached, 1, 10}[seed]
			w.run(fresh, func() { w.current(fresh) })
			have, want := content(t, grown.cfg.Path), content(t, fresh.cfg.Path)
			for _, line := range erased { // incidents keep which calls they showed
				have, want = without(have, line), without(want, line)
			}
			if diff := gocmp.Diff(want, have); diff != "" {
				t.Errorf("grown differs from rebuilt (-rebuilt +grown):\n%s", diff)
			}
			if len(want) < 1000 {
				t.Errorf("hardly anything is stored:\n%s", want)
			}
		})
	}
}

// without is a text without the lines that begin with a prefix.
func without(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// damage does something to a file that is not open.
func (w *world) damage(path string) {
	w.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return // the model did not get that far
	}
	switch w.r.IntN(6) {
	case 0:
		err = os.Remove(path)
	case 1:
		err = os.Truncate(path, int64(w.r.IntN(len(data)+1)))
	case 2:
		data[w.r.IntN(len(data))] ^= 1 << w.r.IntN(8)
		err = os.WriteFile(path, data, 0o600)
	case 3:
		err = os.WriteFile(path, []byte("this is no database"), 0o600)
	case 4:
		_ = os.Remove(path + "-wal")
		_ = os.Truncate(path+"-shm", 10)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// An erasure that comes while the file is opened, or while a damaged one is removed,
// neither removes a file that is in use nor ends the model.
func TestEraseWhileTheFileOpens(t *testing.T) {
	w := newWorld(t, 11)
	w.publish(60, 10)
	m := w.model("m")
	var gone call.Key
	for round := range 60 {
		if round%3 == 2 {
			if err := os.WriteFile(pathIn(t, m), []byte("this is no database"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		gone = call.Key{Provider: "acme", CallID: fmt.Sprintf("call-%05d", round%10)}
		w.erase(gone)
		w.run(m, func() {
			time.Sleep(time.Duration(w.r.IntN(3000)) * time.Microsecond)
			if _, err := m.Erase(t.Context(), checkpoint.Forgetting{Calls: []call.Key{gone}}); err != nil {
				t.Error(err)
			}
		})
	}
	w.run(m, func() { w.current(m) })
	fresh := w.model("fresh")
	w.run(fresh, func() { w.current(fresh) })
	if diff := gocmp.Diff(content(t, fresh.cfg.Path), content(t, m.cfg.Path)); diff != "" {
		t.Errorf("after erasing differs from rebuilt (-rebuilt +erased):\n%s", diff)
	}
}

// A build that is interrupted begins again: the file lacks what is made at its end.
func TestInterruptedBuild(t *testing.T) {
	w := newWorld(t, 9)
	w.publish(3000, 500)
	m := w.model("m")
	f, err := openFile(pathIn(t, m))
	if err != nil {
		t.Fatal(err)
	}
	d, err := newFeed(t.Context(), m, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.transact(t.Context(), func() error { return nil }), d.end(), f.Close()); err != nil {
		t.Fatal(err)
	}
	w.run(m, func() { w.current(m) })
	if s := m.Status(); s.Rebuilt != 1 || s.Cause != errUnfinished.Error() {
		t.Errorf("after an interrupted build: %+v", s)
	}
	fresh := w.model("fresh")
	w.run(fresh, func() { w.current(fresh) })
	if diff := gocmp.Diff(content(t, fresh.cfg.Path), content(t, m.cfg.Path)); diff != "" {
		t.Error(diff)
	}
	again := w.model("m")
	w.run(again, func() { w.current(again) })
	if again.Status().Rebuilt != 0 {
		t.Error("a complete file is built again")
	}
}

func pathIn(t *testing.T, m *Model) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.cfg.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	return m.cfg.Path
}

// Whatever single bit of the file flips, queries answer as before or after a rebuild;
// nothing is refused for long and no figure is another one.
func TestFlippedBits(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 7)
	w.publish(300, 60)
	m := w.model("m")
	w.run(m, func() { w.current(m) })
	want := content(t, m.cfg.Path)
	whole, err := os.ReadFile(m.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	rebuilt := 0
	for range 12 {
		data := append([]byte(nil), whole...)
		data[w.r.IntN(len(data))] ^= 1 << w.r.IntN(8)
		if err := os.WriteFile(m.cfg.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Remove(m.cfg.Path+"-wal"), os.Remove(m.cfg.Path+"-shm")
		again := w.model("m")
		w.run(again, func() {
			w.current(again)
			for {
				if _, err := again.Calls(t.Context(), allCalls); err == nil {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			if w.verify(again) != nil {
				for again.Status().Rebuilt == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			w.current(again)
		})
		rebuilt += int(again.Status().Rebuilt) //nolint:gosec // small
		if have := content(t, m.cfg.Path); have != want {
			t.Errorf("after a flipped bit: %s", gocmp.Diff(want, have))
		}
	}
	if rebuilt == 0 {
		t.Error("no flipped bit was noticed")
	}
}
