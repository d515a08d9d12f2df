package stage

import (
	"context"
	"slices"
	"sync"

	"callwatch/stream"
)

// The leases of the stages that one replica at a time runs.
const (
	NormalizeLease = "normalize"
	JudgeLease     = "judge"
	AnnounceLease  = "announce"
	FetchLease     = "fetch"
)

// Leases takes the leases of stages and knows which this replica holds.
type Leases struct {
	store   *stream.Store
	changed func(name string, held bool)

	mu   sync.Mutex
	held map[string]bool
}

// NewLeases calls changed when this replica takes a lease or gives it back.
func NewLeases(store *stream.Store, changed func(name string, held bool)) *Leases {
	return &Leases{store: store, changed: changed, held: map[string]bool{}}
}

// Hold runs fn while this replica holds the lease, as stream.Store.Hold does.
func (l *Leases) Hold(ctx context.Context, lease stream.Lease, fn func(ctx context.Context, watermark uint64) error) error {
	return l.store.Hold(ctx, lease, func(ctx context.Context, watermark uint64) error {
		l.set(lease.Name, true)
		defer l.set(lease.Name, false)
		return fn(ctx, watermark)
	})
}

// Under is a stage that runs while this replica holds a lease.
func (l *Leases) Under(name string, stage Func) Func {
	return func(ctx context.Context) error {
		return l.Hold(ctx, stream.Lease{Name: name}, func(ctx context.Context, _ uint64) error { return stage(ctx) })
	}
}

// Holds reports whether this replica holds a lease.
func (l *Leases) Holds(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[name]
}

// Held are the leases that this replica holds, sorted.
func (l *Leases) Held() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var held []string
	for name, is := range l.held {
		if is {
			held = append(held, name)
		}
	}
	slices.Sort(held)
	return held
}

func (l *Leases) set(name string, held bool) {
	l.mu.Lock()
	l.held[name] = held
	l.mu.Unlock()
	l.changed(name, held)
}
