package stage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// failingAfter is how long a stage must have failed, again and again, before
	// readiness says so: a store that is away for a moment stops all stages.
	failingAfter = 30 * time.Second
	// recoveredAfter is how long a stage must have run without an error before its
	// last one is forgotten.
	recoveredAfter = time.Minute
)

// Failures remembers which stages fail.
type Failures struct {
	mu     sync.Mutex
	stages map[string]failure
}

type failure struct {
	since time.Time // of the first error
	last  time.Time
	err   error
}

// note takes the error with which a stage ended that began at a time.
func (f *Failures) note(stage string, begun, now time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stages == nil {
		f.stages = map[string]failure{}
	}
	last, ok := f.stages[stage]
	if !ok || now.Sub(begun) > recoveredAfter {
		last.since = now
	}
	last.last, last.err = now, err
	f.stages[stage] = last
}

// Has reports whether a stage ended with an error a short time ago.
func (f *Failures) Has(stage string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.stages[stage]
	return ok && now.Sub(x.last) < recoveredAfter
}

// Cause names the stages that keep failing; "" when there are none.
func (f *Failures) Cause(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var causes []string
	for _, stage := range slices.Sorted(maps.Keys(f.stages)) {
		x := f.stages[stage]
		if now.Sub(x.last) < recoveredAfter && x.last.Sub(x.since) >= failingAfter {
			causes = append(causes, fmt.Sprintf("%s fails since %s: %.300s", stage, x.since.UTC().Format(time.RFC3339), x.err))
		}
	}
	return strings.Join(causes, "; ")
}
