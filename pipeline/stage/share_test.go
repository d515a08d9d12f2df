package stage

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Work behind the stages pauses while webhooks come and the processors are busy, and
// goes on at once when either is not so.
func TestShare(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var traffic Traffic
	var waiting atomic.Uint64
	behind := waiting.Load
	pause := func(s *Share, webhooks int, busy bool) time.Duration {
		s.Pause(t.Context(), 0, 1)
		for range webhooks {
			traffic.Begin()
			traffic.End()
		}
		var all sync.WaitGroup
		end := time.Now().Add(300 * time.Millisecond)
		for range runtime.GOMAXPROCS(0) {
			all.Go(func() {
				for busy && time.Now().Before(end) {
				}
				time.Sleep(time.Until(end))
			})
		}
		all.Wait()
		if busy { // others may have the processors: what this process got counts as all
			s.at = time.Now().Add(-(processorTime() - s.used) / time.Duration(runtime.GOMAXPROCS(0)))
		}
		begun := time.Now()
		s.Pause(t.Context(), 50*time.Millisecond, 1)
		return time.Since(begun)
	}
	want := 50 * time.Millisecond * time.Duration(parts-runtime.GOMAXPROCS(0)) / time.Duration(runtime.GOMAXPROCS(0))
	if took := pause(traffic.Share(behind), 5, true); want > 0 && took < want {
		t.Errorf("paused for %v while busy, want %v", took, want)
	}
	for name, of := range map[string]struct {
		webhooks int
		busy     bool
	}{"idle": {5, false}, "no webhooks": {0, true}} {
		if took := pause(traffic.Share(behind), of.webhooks, of.busy); took >= want/2 {
			t.Errorf("%s: paused for %v", name, took)
		}
	}
	own := traffic.Share(behind) // all that the process did was the work itself
	own.Pause(t.Context(), 0, 1)
	traffic.Begin()
	traffic.End()
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
	}
	worked := processorTime() - own.used
	own.at = time.Now().Add(-worked / time.Duration(runtime.GOMAXPROCS(0)))
	begun := time.Now()
	if own.Pause(t.Context(), worked, 1); time.Since(begun) >= worked {
		t.Errorf("paused for %v because of the work itself", time.Since(begun))
	}
	crowd := traffic.Share(behind)
	crowd.Pause(t.Context(), 0, 1)
	for range busyWith {
		traffic.Begin()
	}
	begun = time.Now()
	if crowd.Pause(t.Context(), 50*time.Millisecond, 1); want > 0 && time.Since(begun) < want {
		t.Errorf("paused for %v while %d webhooks are stored, want %v", time.Since(begun), busyWith, want)
	}
	for range busyWith {
		traffic.End()
	}
	waiting.Store(busyBehind + 1)
	late := traffic.Share(behind)
	late.Pause(t.Context(), 0, 1)
	want = 10 * time.Millisecond * time.Duration(partsBehind-runtime.GOMAXPROCS(0)) / time.Duration(runtime.GOMAXPROCS(0))
	begun = time.Now()
	if late.Pause(t.Context(), 10*time.Millisecond, 1); want > 0 && time.Since(begun) < want {
		t.Errorf("paused for %v while the stages are behind, want %v", time.Since(begun), want)
	}
	time.AfterFunc(100*time.Millisecond, func() { waiting.Store(0) })
	begun = time.Now()
	if late.Pause(t.Context(), time.Hour, 1); time.Since(begun) > 2*longestBreak {
		t.Errorf("paused for %v although the stages are no longer behind", time.Since(begun))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s := traffic.Share(behind)
	s.Pause(ended, 0, 1)
	s.at, s.used, s.came = time.Now().Add(-time.Microsecond), 0, -1
	begun = time.Now()
	if s.Pause(ended, time.Hour, 1); time.Since(begun) > time.Second {
		t.Error("the end of the context does not end a pause")
	}
}
