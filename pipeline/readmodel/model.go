// Package readmodel is what pages and API ask about many calls: one row per call,
// one per step of an incident, and figures of each hour by provider and dimension, in
// an SQLite file beside the store.
//
// The file is derived from EVENTS and ALERTS. If it is missing, damaged, of another
// version or of another store, it is built again; nothing is lost with it. It is fed
// in batches by a follower of its own. Each batch is one transaction, which also
// stores how far the model has come, so that a stop anywhere neither loses a message
// nor counts one twice.
package readmodel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/readmodel/figures"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
	"callwatch/stream"
)

// Config is what a model needs.
type Config struct {
	Path  string // of the file; its directory exists or can be made
	Store *stream.Store
	Fold  call.Folding
	Rules func() *rules.Set // those in force; nil: none
	// Recent has events that need not be decoded; nil: none.
	Recent *eventlog.Recent
	Log    *slog.Logger
	// Pause, if set, is called between two batches with how long the last one took, and
	// how long its events took to decode: webhooks go first. times is how many times the
	// usual share of the time it may take.
	Pause func(ctx context.Context, worked time.Duration, times int)
}

// Model is a read model. Run feeds it; its queries may be called from the start, and
// answer from what is there.
type Model struct {
	cfg    Config
	cached int // calls that are held in memory

	open sync.RWMutex     // held for reading by queries, for writing while the file changes
	file *sqlitefile.File // nil until Run has opened it

	feeding sync.Mutex // the connection that writes, and feed
	feed    *feed      // nil while there is no file

	reading atomic.Int64 // nanoseconds in which events were decoded since the last pause

	damage chan error // of the file, found by a query

	mu      sync.Mutex
	status  backend.ModelStatus
	changed chan struct{} // closed and replaced with every commit
	opened  bool          // the file can be asked
}

// New makes a model. It opens nothing.
func New(c Config) *Model {
	return &Model{cfg: c, cached: mostCached, damage: make(chan error, 1), changed: make(chan struct{})}
}

// ReadModel is the model as API and console ask it.
func (m *Model) ReadModel() *backend.ReadModel {
	return &backend.ReadModel{
		Calls: m.Calls, IncidentCalls: m.IncidentCalls, Stats: m.Stats, Changes: m.Changes, Contrast: m.Contrast,
		ModelStatus: m.Status,
	}
}

// Status is how far the model has come.
func (m *Model) Status() backend.ModelStatus {
	m.mu.Lock()
	s := m.status
	m.mu.Unlock()
	if info, err := os.Stat(m.cfg.Path); err == nil {
		s.Bytes = info.Size()
	}
	return s
}

// Run opens the file and feeds it until ctx ends. A file that is missing, damaged, of
// another version or of another store is built again.
func (m *Model) Run(ctx context.Context) error {
	for {
		err := m.run(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !isDamaged(err):
			return fmt.Errorf("read model: %w", err)
		}
		m.cfg.Log.Warn("read model is built again", "path", m.cfg.Path, "err", err)
		cause := err.Error()
		m.feeding.Lock() // an erasure removes the file as well
		err = sqlitefile.Remove(m.cfg.Path)
		m.feeding.Unlock()
		if err != nil {
			return fmt.Errorf("read model: %w", err)
		}
		m.mu.Lock()
		m.status.Rebuilt++
		m.status.Cause = cause
		m.status.Event, m.status.Transition, m.status.Building = 0, 0, true
		m.mu.Unlock()
	}
}

func (m *Model) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Dir(m.cfg.Path), 0o700); err != nil {
		return err
	}
	select {
	case old := <-m.damage: // of a file that is gone
		m.cfg.Log.Debug("the file is gone that a query found damaged", "err", old)
	default:
	}
	f, building, err := m.openFeed(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.status.Building = building // before a query sees the file
	m.mu.Unlock()
	m.open.Lock()
	m.file = f
	m.open.Unlock()
	m.mu.Lock()
	m.opened = true
	close(m.changed)
	m.changed = make(chan struct{})
	m.mu.Unlock()
	defer func() {
		f.End() // ends queries, which hold the lock
		m.open.Lock()
		m.file = nil
		m.open.Unlock()
		m.feeding.Lock()
		err = errors.Join(err, m.feed.end(), f.Close())
		m.feed = nil
		m.feeding.Unlock()
	}()
	return m.follow(ctx)
}

// openFeed opens the file and what feeds it, and reports whether the file is built. An
// erasure comes before or after: it removes a file that nothing feeds.
func (m *Model) openFeed(ctx context.Context) (f *sqlitefile.File, building bool, err error) {
	m.feeding.Lock()
	defer m.feeding.Unlock()
	f, err = openFile(m.cfg.Path)
	if err != nil {
		return nil, false, err
	}
	d, err := newFeed(ctx, m, f)
	if err != nil {
		return nil, false, errors.Join(err, d.end(), f.Close())
	}
	m.feed = d
	return f, d.build != nil, nil
}

// unfinished reports whether the file is being built: what a query finds is not whole.
// Within read it is about the file that is asked.
func (m *Model) unfinished() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status.Building
}

// read runs a query. ErrIndexing where there is no file yet.
func (m *Model) read(ctx context.Context, fn func(*sqlite3.Conn) error) error {
	m.open.RLock()
	defer m.open.RUnlock()
	if m.file == nil {
		return backend.ErrIndexing
	}
	err := m.file.Read(ctx, fn)
	if err != nil && ctx.Err() == nil && m.file.Ended() {
		return backend.ErrIndexing
	}
	if isDamaged(err) {
		select {
		case m.damage <- err:
		default:
		}
		return fmt.Errorf("%w: %w", backend.ErrIndexing, err)
	}
	return err
}

// Watermark is the sequence of the last event that is in the model.
func (m *Model) Watermark() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status.Event
}

// Current waits until the model has what is stored now, at most until ctx ends.
func (m *Model) Current(ctx context.Context) error {
	ends, err := m.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	for {
		m.mu.Lock()
		s, changed, opened := m.status, m.changed, m.opened
		m.mu.Unlock()
		if opened && s.Event >= ends.Last && s.Transition >= ends.LastTransition && !s.Building {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// committed notes how far the model has come.
func (m *Model) committed(event, transition, behind uint64, building bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.status
	s.Event, s.Transition, s.Behind, s.Building, s.UpdatedAt = event, transition, behind, building, now
	close(m.changed)
	m.changed = make(chan struct{})
}

// openFile opens the file of a model. It fails with errUnfinished if it was left
// while it was being built.
func openFile(path string) (*sqlitefile.File, error) {
	f, err := sqlitefile.Open(path, schema.Tables(), schema.Version())
	if err != nil {
		return nil, err
	}
	_, unfinished, err := sqlitefile.Meta(f.Writer, "building")
	if err == nil && unfinished {
		err = errUnfinished
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// isDamaged reports whether an error says that the file has to be built again.
func isDamaged(err error) bool {
	return sqlitefile.Damaged(err) || errors.Is(err, figures.ErrUnreadable) || errors.Is(err, errUnfinished)
}

func parseSeq(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}
