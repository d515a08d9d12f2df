package maintenance

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
	"callwatch/stream/frame"
)

// importsAtOnce is how many bodies wait for the disk together: they share frames.
const importsAtOnce = 64

// Imported is how an import went.
type Imported struct {
	Provider string `json:"provider"`
	Account  string `json:"account,omitempty"`
	Read     int    `json:"read"`             // bodies listed or read
	Stored   int    `json:"stored"`           // that were not there before
	Known    int    `json:"known"`            // that were stored already, with the same content
	Bad      int    `json:"bad"`              // that cannot be normalized
	Calls    int    `json:"calls"`            // in the stored bodies
	Erased   int    `json:"erased,omitempty"` // left out because their calls were erased
	Undated  int    `json:"undated,omitempty"`
	// Problems name what was left out, at most a hundred of them.
	Problems []string   `json:"problems"`
	First    *time.Time `json:"first,omitempty"` // event that was stored, by its own time
	Last     *time.Time `json:"last,omitempty"`
	Resumed  bool       `json:"resumed,omitempty"`
	More     bool       `json:"more,omitempty"` // the limit was reached before the end
}

const maxProblems = 100

func (i *Imported) problem(format string, args ...any) {
	if len(i.Problems) < maxProblems {
		i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
	}
}

// importer stores bodies of one provider as history, each once.
type importer struct {
	m     *Maintenance
	known map[uint64]struct{} // hashes of the bodies that are stored
	seed  maphash.Seed
	done  Imported
	calls map[uint64]struct{} // hashes of the ids
	last  stream.Position     // stored
	mu    sync.Mutex
}

// newImporter looks through the stored bodies, so that what is there is known
// however it came and however an earlier import ended.
func (m *Maintenance) newImporter(ctx context.Context, provider, account string) (*importer, error) {
	if _, _, err := m.source(provider, account); err != nil {
		return nil, err
	}
	im := &importer{m: m, known: map[uint64]struct{}{}, calls: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	im.done = Imported{Provider: provider, Account: account, Problems: []string{}}
	err := m.cfg.Store.RecordsSince(ctx, time.Time{}, func(records []stream.Record, _ uint64) error {
		for i := range records {
			if r := &records[i]; r.Provider == provider && r.Account == account && r.CountsAt.IsZero() {
				im.known[maphash.Bytes(im.seed, r.Body)] = struct{}{}
			}
		}
		return nil
	}, func(*stream.Damage) {})
	if err != nil {
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	return im, nil
}

// historical is one body on its way, and what to call it where it is refused.
type historical struct {
	name   string
	callID string // as the list has it; "" for what a file holds
	body   []byte
	strict bool // refuse what cannot be normalized instead of keeping it as a dead letter
}

// store stores what is new of some bodies. Bodies of an unfinished store are
// stored or not; the next import knows which.
func (im *importer) store(ctx context.Context, list []historical) error {
	var wait sync.WaitGroup
	var errs []error
	slots := make(chan struct{}, importsAtOnce)
	for i := range list {
		r, ok := im.record(&list[i])
		if !ok {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			id, err := im.m.cfg.Store.Append(ctx, r)
			at, _ := frame.ParsePosition(id)
			im.mu.Lock()
			defer im.mu.Unlock()
			switch {
			case errors.Is(err, stream.ErrTooLarge):
				im.done.Bad++
				im.done.problem("%s is too large for the store", list[i].name)
			case err != nil:
				errs = append(errs, err)
			default:
				im.done.Stored++
				if im.last.Before(at) {
					im.last = at
				}
			}
		})
	}
	wait.Wait()
	if len(errs) > 0 {
		return fmt.Errorf("store Imported bodies: %w", errs[0])
	}
	return nil
}

// record makes a record of a body; ok is false for one that is not to be stored.
func (im *importer) record(h *historical) (r stream.Record, ok bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.done.Read++
	hash := maphash.Bytes(im.seed, h.body)
	if _, known := im.known[hash]; known {
		im.done.Known++
		return r, false
	}
	r = stream.Record{
		Provider: im.done.Provider, Account: im.done.Account, Source: string(normalizer.Imported), ContentType: "application/json", CallID: h.callID,
		ReceivedAt: time.Now().UTC(), Body: h.body,
	}
	events, err := im.m.cfg.Events(&r)
	if err != nil {
		im.done.Bad++
		im.done.problem("%s: %v", h.name, err)
		if h.strict {
			return r, false
		}
	}
	erased := func(e call.Event) bool { return im.m.cfg.Tombstones.Of(e.Key(), e.Aliases) }
	if len(events) > 0 && !slices.ContainsFunc(events, func(e call.Event) bool { return !erased(e) }) ||
		h.callID != "" && im.m.cfg.Tombstones.Of(im.key(h.callID), nil) {
		im.done.Erased++
		return r, false
	}
	im.known[hash] = struct{}{}
	for i := range events {
		e := &events[i]
		im.calls[maphash.String(im.seed, e.CallID)] = struct{}{}
		at := eventlog.CountsAt(&r, e)
		if at.Equal(r.ReceivedAt) {
			im.done.Undated++
			continue
		}
		if im.done.First == nil || at.Before(*im.done.First) {
			im.done.First = &at
		}
		if im.done.Last == nil || at.After(*im.done.Last) {
			im.done.Last = &at
		}
	}
	im.done.Calls = len(im.calls)
	return r, true
}

func (im *importer) key(id string) call.Key {
	return call.Key{Provider: im.done.Provider, Account: im.done.Account, CallID: id}
}

// source finds a provider and the settings of one of its accounts.
func (m *Maintenance) source(provider, account string) (normalizer.Provider, normalizer.Keys, error) {
	p, known := m.cfg.Providers.Find(provider)
	if !known {
		return p, nil, refuse("there is no provider %.40q", provider)
	}
	k, known := m.cfg.Keys(p, account)
	if !known {
		return p, nil, refuse("there is no account %.40q of %s", account, provider)
	}
	return p, k, nil
}

// finish waits until the stored bodies have become events.
func (im *importer) finish(ctx context.Context) (Imported, error) {
	if im.done.Stored == 0 {
		return im.done, nil
	}
	return im.done, im.m.cfg.Stages.Normalized(ctx, im.last.Seq)
}

// pace limits steps per second; 0 is any number.
type pace struct{ limit *rate.Limiter }

func newPace(perSecond float64) pace {
	if perSecond <= 0 {
		return pace{}
	}
	return pace{rate.NewLimiter(rate.Limit(perSecond), 1)}
}

func (p pace) wait(ctx context.Context) error {
	if p.limit == nil {
		return ctx.Err()
	}
	return p.limit.Wait(ctx)
}
