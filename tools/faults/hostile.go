package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callwatch/tools/faults/attack"
	"callwatch/tools/faults/rig"
)

// mostMemory is what callwatch may hold under attack, in megabytes.
const mostMemory = 512

// leastBombs are sent however slow the machine is: twice each kind by each attacker.
const leastBombs = 2 * 4 * 4

// hostile attacks callwatch in several ways at once, while good senders go on.
func hostile(t *rig.Trial) error {
	r, err := t.Rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.Close()
	var times timings
	r.Load.Rate, r.Load.Watch = 100, times.note
	if err := r.Begin(); err != nil {
		return err
	}
	if err := r.Taken(100); err != nil {
		return err
	}
	times.reset()
	until, latest := time.Now().Add(t.Span(8*time.Second, time.Minute)), time.Now().Add(3*time.Minute)
	others, err := attack.Start(attack.Onslaught{Address: r.Address, Conns: t.Times(1000, 10_000), Bombs: 4, Floods: 4})
	if err != nil {
		return err
	}
	largest := 0
	for rig.Alive(r.Cmd.Process.Pid) && largest <= mostMemory && (time.Now().Before(until) || others.Done().Bombed < leastBombs && time.Now().Before(latest)) {
		largest = max(largest, resident(r.Cmd.Process.Pid))
		if !rig.Pause(t, 100*time.Millisecond) {
			break
		}
	}
	p99, good := times.p99()
	done, err := others.End()
	if err != nil {
		return fmt.Errorf("%w: %w", rig.ErrSetup, err)
	}
	r.Load.End()
	t.Count("%d connections opened at once, %d bombs and large bodies, %d bad signatures, %d taken of those", done.Held, done.Bombed, done.Flooded, done.Taken)
	t.Count("%d good requests with p99 %v, %d MB at most", good, p99.Round(time.Millisecond), largest)
	if err := t.Finish(r.Product, r.Checker, "attacked"); err != nil {
		return err
	}
	if largest > mostMemory || !t.Short && p99 > 100*time.Millisecond || done.Taken > 0 || good == 0 {
		return fmt.Errorf("%d MB, p99 %v, %d taken", largest, p99, done.Taken)
	}
	return nil
}

// timings are how long good requests took.
type timings struct {
	sync.Mutex
	took []time.Duration
}

func (m *timings) note(status int, took time.Duration) {
	m.Lock()
	defer m.Unlock()
	if status == http.StatusOK {
		m.took = append(m.took, took)
	}
}

func (m *timings) reset() {
	m.Lock()
	defer m.Unlock()
	m.took = nil
}

func (m *timings) p99() (time.Duration, int) {
	m.Lock()
	defer m.Unlock()
	if len(m.took) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(m.took))
	return sorted[len(sorted)*99/100], len(sorted)
}

// resident memory of a process in megabytes.
func resident(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize() >> 20
}
