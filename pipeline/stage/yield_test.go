package stage

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhenWebhooksGoFirst(t *testing.T) {
	for _, c := range []struct {
		name    string
		done    int
		age     time.Duration
		arrived int64
		first   bool
	}{
		{"a backlog that shrinks fast", 1000, time.Minute, 100, true},
		{"a backlog that hardly shrinks", 999, time.Minute, 100, false},
		{"a backlog, and nothing arrives", 1000, time.Minute, 0, false},
		{"no backlog", 1000, overdue, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var traffic Traffic
				traffic.total.Store(7)
				y := Yielding{Traffic: &traffic}
				y.Did(0, time.Now())
				traffic.total.Add(c.arrived)
				received := time.Now().Add(weighEach - c.age)
				for range 4 {
					time.Sleep(weighEach / 4)
					y.Did(c.done/4, received)
				}
				y.Did(c.done%4, received) // soon after: nothing is decided
				if got := y.On.Load(); got != c.first {
					t.Errorf("webhooks first: %v, want %v", got, c.first)
				}
				time.Sleep(weighEach)
				traffic.total.Add(1)
				y.Did(1000, time.Now())
				if y.On.Load() {
					t.Error("webhooks go first after the backlog")
				}
			})
		})
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var traffic Traffic
		y := Yielding{Traffic: &traffic}
		w := y.Pauser()
		paused := func(what string, want time.Duration) {
			t.Helper()
			begun := time.Now()
			w.Pause(t.Context())
			if took := time.Since(begun); took != want {
				t.Errorf("%s: paused %v, want %v", what, took, want)
			}
		}
		traffic.Begin()
		paused("webhooks do not go first", 0)
		y.On.Store(true)
		paused("one webhook behind the other", longPause)
		traffic.End()
		paused("a slice has begun", 0)
		time.Sleep(sliceTime)
		paused("a slice is over", shortPause)
		traffic.Begin()
		time.AfterFunc(shortPause+shortPause/2, traffic.End)
		paused("a webhook", 2*shortPause)

		var out strings.Builder
		time.Sleep(sliceTime)
		begun := time.Now()
		if n, err := w.Writer(t.Context(), &out).Write([]byte("part")); n != 4 || err != nil || out.String() != "part" {
			t.Errorf("wrote %d, %v, %q", n, err, out.String())
		}
		if took := time.Since(begun); took != shortPause {
			t.Errorf("wrote after %v", took)
		}

		traffic.Begin()
		ended, end := context.WithCancel(t.Context())
		end()
		begun = time.Now()
		if w.Pause(ended); time.Since(begun) != 0 {
			t.Error("pauses beyond the end")
		}
	})
}
