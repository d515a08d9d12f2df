package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"callwatch/stream"
)

const (
	// auditRate is how many bytes of stored webhooks an audit reads in a second.
	auditRate   = 4 << 20
	maxFindings = 10_000
)

// Damage counts and logs what is stored and cannot be read. A part of RAW that is
// found again counts once.
type Damage struct {
	log   *slog.Logger
	total atomic.Int64

	mu    sync.Mutex
	found map[stream.Damage]bool
}

// NewDamage logs to log.
func NewDamage(log *slog.Logger) *Damage { return &Damage{log: log, found: map[stream.Damage]bool{}} }

// Total is how many parts were found.
func (d *Damage) Total() int64 { return d.total.Load() }

// Webhooks counts a part of RAW that cannot be read.
func (d *Damage) Webhooks(part *stream.Damage) {
	key := stream.Damage{First: part.First, Last: part.Last}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.found[key] {
		return
	}
	if len(d.found) >= maxFindings {
		clear(d.found)
	}
	d.found[key] = true
	d.total.Add(1)
	d.log.Error("stored webhooks cannot be read", "first", part.First, "last", part.Last, "err", part.Err)
}

// Audit reads all stored webhooks from time to time, slowly, so that damage is
// found before anybody needs what is damaged. It checks each frame's checksum, and
// that none is missing. The store checks whole files when it opens.
type Audit struct {
	store  *stream.Store
	every  time.Duration
	damage *Damage
}

// NewAudit reports to damage.
func NewAudit(store *stream.Store, every time.Duration, damage *Damage) *Audit {
	return &Audit{store: store, every: every, damage: damage}
}

// Run audits every so often until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.every):
		}
		if err := a.Once(ctx); err != nil {
			return err
		}
	}
}

// Once reads all stored webhooks.
func (a *Audit) Once(ctx context.Context) error {
	pace := rate.NewLimiter(auditRate, auditRate)
	err := a.store.StoredRecords(ctx, stream.Position{}, func(records []stream.Record) error {
		read := len(records)
		for i := range records {
			read += len(records[i].Body)
		}
		return pace.WaitN(ctx, min(read, auditRate))
	}, a.damage.Webhooks)
	if err != nil {
		return fmt.Errorf("audit the stored webhooks: %w", err)
	}
	return nil
}
