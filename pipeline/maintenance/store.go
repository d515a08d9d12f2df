package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"callwatch/handlers/backend"
	"callwatch/stream"
)

// StoreSize measures what the store takes.
func (m *Maintenance) StoreSize(ctx context.Context) (backend.StoreSize, error) {
	size, err := m.cfg.Store.Size(ctx)
	if err != nil {
		return backend.StoreSize{}, fmt.Errorf("measure the store: %w", err)
	}
	out := backend.StoreSize{StoreUsage: *StoreUsage(&size.Usage), Directory: size.Directory, Streams: []backend.StoreStream{}}
	for _, s := range size.Streams {
		out.Streams = append(out.Streams, backend.StoreStream{
			Name: s.Name, Messages: s.Messages, Bytes: s.Bytes, Oldest: s.Oldest, PerDay: s.PerDay, Keep: int64(s.Keep.Seconds()),
		})
	}
	return out, nil
}

// StoreUsage is how full the store is, for people and programs.
func StoreUsage(u *stream.Usage) *backend.StoreUsage {
	out := &backend.StoreUsage{Bytes: u.Used, Limit: u.Limit}
	out.GrowthPerDay, _ = u.PerDay()
	if days, ok := u.DaysLeft(); ok {
		out.DaysLeft = &days
	}
	for name, short := range u.Short {
		if out.Short == nil {
			out.Short = map[string]int64{}
		}
		out.Short[name] = int64(short.Seconds())
	}
	return out
}

// Prune removes what retention no longer keeps. What is not processed yet is processed
// first; a dry run changes nothing.
func (m *Maintenance) Prune(ctx context.Context, dryRun bool) (done backend.Pruned, err error) {
	var removed []stream.Removed
	if dryRun {
		removed, err = m.cfg.Store.Prunable(ctx)
	} else {
		var upTo uint64
		if upTo, err = m.cfg.Stages.NormalizedUpTo(ctx); err == nil {
			removed, err = m.cfg.Store.Prune(ctx, upTo)
		}
	}
	if errors.Is(err, stream.ErrExternal) {
		return done, &Refusal{Err: err}
	}
	if err != nil {
		return done, fmt.Errorf("remove what is not kept: %w", err)
	}
	done = backend.Pruned{DryRun: dryRun, Streams: []backend.PrunedStream{}}
	for _, r := range removed {
		done.Streams = append(done.Streams, backend.PrunedStream{Name: r.Stream, Messages: r.Messages, Bytes: r.Bytes})
	}
	return done, nil
}

// Backup writes the whole store to w, while it is in use. One backup is made at a time.
func (m *Maintenance) Backup(ctx context.Context, w io.Writer) error {
	if !m.backup.TryLock() {
		return backend.ErrBusy
	}
	defer m.backup.Unlock()
	b, err := m.cfg.Store.WriteBackup(ctx, w)
	if err == nil {
		m.cfg.Log.Info("store backed up", "messages", b.Messages(), "took", time.Since(b.At).Round(time.Millisecond))
	}
	return err
}
