package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"callwatch/stream"
)

const (
	// auditRate is how many bytes of stored webhooks an audit reads in a second.
	auditRate   = 4 << 20
	maxFindings = 10_000
)

// findings are the damaged parts of the store that were told of already.
type findings struct {
	mu   sync.Mutex
	told map[stream.Damage]bool
}

// damaged tells once of a part of the store that cannot be read.
func (a *app) damaged(d *stream.Damage) {
	part := stream.Damage{First: d.First, Last: d.Last}
	a.findings.mu.Lock()
	defer a.findings.mu.Unlock()
	if a.findings.told[part] {
		return
	}
	if a.findings.told == nil || len(a.findings.told) >= maxFindings {
		a.findings.told = map[stream.Damage]bool{}
	}
	a.findings.told[part] = true
	a.stats.damaged.Add(1)
	a.log.Error("stored webhooks cannot be read", "first", d.First, "last", d.Last, "err", d.Err)
}

// audit reads all stored webhooks from time to time, slowly, so that damage shows
// before somebody needs what is damaged. Each frame's checksum is checked, and
// that none is missing. The files were checked as a whole at the start.
func (a *app) audit(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.cfg.Audit):
		}
		if err := a.auditOnce(ctx); err != nil {
			return err
		}
	}
}

func (a *app) auditOnce(ctx context.Context) error {
	pace := rate.NewLimiter(auditRate, auditRate)
	err := a.store.StoredRecords(ctx, stream.Position{}, func(records []stream.Record) error {
		read := len(records)
		for i := range records {
			read += len(records[i].Body)
		}
		return pace.WaitN(ctx, min(read, auditRate))
	}, a.damaged)
	if err != nil {
		return fmt.Errorf("audit the stored webhooks: %w", err)
	}
	return nil
}
