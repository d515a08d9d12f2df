// Package maintenance changes what is stored, on demand: imports of past calls,
// replays of stored bodies and dead letters, and erasing a call. It works beside the
// running stages or on a store whose stages do not run; Stages is the difference.
// It imports normalizer, rules, stream, call and pipeline/eventlog.
package maintenance

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"sync"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine/checkpoint"
	"callwatch/stream"
)

// MaxBody is the size of the largest body that is imported, in bytes.
const MaxBody = 4 << 20

// Stages is how maintenance meets the stages of the data path.
type Stages interface {
	// Normalized waits until the events of all webhooks up to a frame are stored.
	Normalized(ctx context.Context, frame uint64) error
	// NormalizedUpTo is the last frame up to which the events are stored for certain.
	// A short backlog is waited for.
	NormalizedUpTo(ctx context.Context) (uint64, error)
	// Exclusive runs fn while no other process normalizes or judges, and refuses
	// where that cannot be.
	Exclusive(ctx context.Context, fn func(context.Context) error) error
	// Erase removes calls from the state of the rules. It belongs into Exclusive.
	Erase(ctx context.Context, what checkpoint.Forgetting) (known bool, err error)
	// Replicas reports whether other processes keep calls in memory.
	Replicas() bool
}

// Config is what maintenance needs.
type Config struct {
	Store     *stream.Store
	Stages    Stages
	Providers normalizer.Registry
	// Events normalizes a record.
	Events func(*stream.Record) ([]call.Event, error)
	// Keys are the settings of an account of a provider; false if there is no such account.
	Keys func(p normalizer.Provider, account string) (normalizer.Keys, bool)
	// Tombstones keep what comes of erased calls from being stored.
	Tombstones Tombstones
	// Further are stores beside this one that hold something of calls.
	Further []Eraser
	// Backtest is how the incidents before and after a replay are compared.
	Backtest func() (*rules.Set, backtest.Options, error)
	Log      *slog.Logger
}

// Tombstones say which calls were erased.
type Tombstones interface {
	// Add stores tombstones of calls, by all their ids. Every process knows them when it
	// returns.
	Add(ctx context.Context, calls []call.Key) error
	// Of reports whether one of the ids of a call was erased.
	Of(k call.Key, aliases []string) bool
}

// Eraser is a store that holds something of calls, beside the streams.
type Eraser interface {
	// Erase removes what is known of calls, also from the files on the disk, and numbers
	// wherever they are in text. It returns what remains, one sentence each. It may be
	// stopped anywhere and called again.
	Erase(ctx context.Context, what checkpoint.Forgetting) (remains []string, err error)
}

// Maintenance does one piece of work on the store at a time.
type Maintenance struct {
	cfg     Config
	working sync.Mutex
	backup  sync.Mutex // held while one is written
}

// New makes it.
func New(c Config) *Maintenance { return &Maintenance{cfg: c} }

// Progress receives how much of some work is done.
type Progress func(done, total int64)

// Refusal is an error that the person who asked is told as it is.
type Refusal struct{ Err error }

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

func refuse(format string, args ...any) error { return &Refusal{Err: fmt.Errorf(format, args...)} }

// Do does the work of a name, of those that commands and API offer. Only one piece
// of work changes the store at a time.
func (m *Maintenance) Do(ctx context.Context, name string, params url.Values, body io.Reader, progress Progress) (any, error) {
	switch name {
	case "deadletters":
		return m.deadLetters(ctx, params)
	case "deadletter":
		return m.deadLetterPage(ctx, params.Get("id"))
	case "store-size":
		return m.StoreSize(ctx)
	}
	do, ok := map[string]func() (any, error){
		"import":             func() (any, error) { return m.importCalls(ctx, params, progress) },
		"import-file":        func() (any, error) { return m.importFile(ctx, params, body, progress) },
		"replay":             func() (any, error) { return m.replay(ctx, params, progress) },
		"deadletters-replay": func() (any, error) { return m.ReplayDeadLetters(ctx, params["id"]) },
		"store-prune":        func() (any, error) { return m.Prune(ctx, params.Get("dry-run") == "true") },
		"erase":              func() (any, error) { return m.erase(ctx, params, progress) },
	}[name]
	if !ok {
		return nil, refuse("there is no work called %.40q", name)
	}
	if !m.working.TryLock() {
		return nil, refuse("other work on the store is under way: try again when it is done")
	}
	defer m.working.Unlock()
	return do()
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
