// Package stream keeps everything callwatch stores, in NATS JetStream: webhooks
// as received (RAW), normalized events and ticks (EVENTS), transitions of
// incidents (ALERTS), dead letters, key-value buckets, checkpoints and tasks for
// later. Each of them is a package below; here the store is opened, connected, watched
// and closed, and webhooks are stored.
//
// The server runs inside the process, or is an existing JetStream cluster. No
// other package imports NATS.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/stream/alerts"
	"callwatch/stream/blocks"
	"callwatch/stream/bucket"
	"callwatch/stream/checkpoint"
	"callwatch/stream/deadletter"
	"callwatch/stream/disk"
	"callwatch/stream/early"
	"callwatch/stream/embedded"
	"callwatch/stream/events"
	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/lease"
	"callwatch/stream/names"
	"callwatch/stream/raw"
	"callwatch/stream/retention"
	"callwatch/stream/task"
)

// Errors of reading and writing.
var (
	// ErrUnavailable means that the store did not confirm a write in time or
	// cannot be reached; the write may have happened. Try again later.
	ErrUnavailable = jet.ErrUnavailable
	// ErrFull means that the store is at its limit of bytes or the disk at its reserve.
	ErrFull = jet.ErrFull
	// ErrNotFound means that nothing is stored under that id.
	ErrNotFound = jet.ErrNotFound
	// ErrTooLarge means that a record or event does not fit in one message of the server.
	ErrTooLarge = jet.ErrTooLarge
	// ErrConflict means that another process published events since
	// LastPublished was called: call it again and go on from there.
	ErrConflict = jet.ErrConflict
	// ErrExternal says that the store is on an external server, whose limits remove what
	// is old.
	ErrExternal = retention.ErrExternal
)

// Record is one webhook as received, Position is where it is stored, Flaw is damage
// found in the files of the embedded server, Foreign is a message that another program
// stored.
type (
	Foreign  = jet.Foreign
	Record   = frame.Record
	Position = frame.Position
	Flaw     = blocks.Flaw
)

// What the parts of the store keep.
type (
	Bucket     = bucket.Bucket
	Lease      = lease.Lease
	Task       = task.Task
	Due        = task.Due
	DeadLetter = deadletter.DeadLetter
	Damage     = raw.Damage
	Watermarks = retention.Watermarks
	Usage      = retention.Usage
	Removed    = retention.Removed
	Event      = events.Event
	Message    = events.Message
	Filter     = events.Filter
	Transition = alerts.Transition
	Cause      = alerts.Cause
)

// Durability is what an acknowledged write survives.
type Durability string

const (
	Fsync      Durability = "fsync"      // a power cut: each write is on the disk before it is acknowledged
	OS         Durability = "os"         // a crash of the process, not of the machine
	Replicated Durability = "replicated" // the loss of a minority of the external cluster's servers
	Unproven   Durability = "unproven"   // one external server, whose sync settings clients cannot see
)

// Config says where the store is and what it promises.
type Config struct {
	Dir    string // data directory of the embedded server
	Listen string // TCP address where the embedded server lets other programs read; "" opens no port
	// ListenUser ("": reader) and ListenPassword are what they log in with. Without a
	// password Listen must be on loopback.
	ListenUser, ListenPassword string
	Durability                 Durability // of the embedded server: Fsync (default) or OS
	MaxStore                   int64      // bytes the embedded server may hold; 0: all of the file system but the reserve
	Reserve                    int64      // bytes of free disk below which webhooks are refused; 0: 256 MiB

	URL       string        // external server or servers, comma-separated; "" runs the embedded one
	CredsFile string        // credentials for URL
	CAFile    string        // certificates that sign the server's; "": the system's
	CertFile  string        // our certificate, where the server asks for one
	KeyFile   string        // its key
	Replicas  int           // copies of each stream on an external cluster; 0: 1
	Patience  time.Duration // how long Open waits for an external server that is not there yet

	Retention Retention
	Log       *slog.Logger // nil: nothing is logged
}

// Retention is how long each stream keeps a message; 0 keeps it until MaxStore is
// reached. Then the oldest webhooks go, and after them the oldest events.
type Retention struct {
	Raw, Events, Alerts, DeadLetters time.Duration
}

// Store is an open store; its methods may be called concurrently.
type Store struct {
	conn *jet.Conn
	cfg  Config
	node *embedded.Server // nil when external
	lock *os.File

	raw, events, alerts, dead, checkpoints, tasks jet.Stream

	// What is kept, each in its own way.
	*bucket.Buckets
	*lease.Leases
	*task.Schedule
	*checkpoint.Checkpoints
	*deadletter.Queue
	*raw.Webhooks
	*events.Events
	*alerts.Transitions
	*retention.Space
	pruner *retention.Pruner

	codec     *frame.Codec
	committer *committer

	// early takes webhooks while the streams are opened; nil: they are open. switching is
	// held while the committer writes, and where early ends.
	early      atomic.Pointer[early.File]
	earlyFlaws []Flaw
	switching  sync.Mutex
	opened     atomic.Bool
	moving     sync.WaitGroup
	handover   *raw.Handover
	down       atomic.Pointer[outage] // why webhooks are refused now; nil: they are taken
	gate       atomic.Pointer[gate]   // shut while down is set
	broken     atomic.Pointer[outage] // a failed fsync: nothing is taken until callwatch is started again

	idle chan struct{} // closed when the monitor has ended
	// damaged takes the streams in which checkOlder found damage; checked is closed when
	// it has ended.
	damaged chan embedded.Damaged
	checked chan struct{}
}

// Open starts the embedded server, or connects to the external one, creates the
// streams that are missing and checks the format of those that are there.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := Begin(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.OpenStreams(ctx); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func newStore(cfg Config) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{conn: jet.NewConn(cfg.Log, wellFormed), cfg: cfg, handover: raw.NewHandover(), idle: make(chan struct{}), damaged: make(chan embedded.Damaged), checked: make(chan struct{})}
	if s.codec, err = frame.NewCodec(); err != nil {
		return nil, err
	}
	s.gate.Store(newGate())
	s.Buckets = bucket.New(s.conn, cfg.Replicas, s.settle, s.flaws)
	s.Leases = lease.New(s.conn, s.Buckets)
	s.Schedule = task.New(s.conn, &s.tasks)
	s.Checkpoints = checkpoint.New(s.conn, &s.checkpoints)
	s.Queue = deadletter.New(s.conn, &s.dead)
	s.Webhooks = raw.New(s.conn, &s.raw, s.codec, s.handover, func(ctx context.Context) uint64 { return s.pruner.Removed(ctx) })
	s.Events = events.New(s.conn, &s.events, &s.raw)
	s.keep()
	s.Transitions = alerts.New(s.conn, &s.alerts, cfg.Dir, s.flaws)
	return s, nil
}

// keep makes what keeps the store within its limits. With the embedded server it is made
// again when that has started.
func (s *Store) keep() {
	ages := s.cfg.Retention
	s.pruner = retention.New(s.conn, &s.raw, &s.events, s.node, retention.Config{
		Dir: s.cfg.Dir, MaxStore: s.cfg.MaxStore, Reserve: s.cfg.Reserve,
		Keep: map[string]time.Duration{
			names.RawStream: ages.Raw, names.EventStream: ages.Events, names.AlertStream: ages.Alerts, names.DeadStream: ages.DeadLetters, names.TaskStream: taskAge,
		},
	}, s.idle)
	s.Space = s.pruner.Space
}

func (s *Store) open(ctx context.Context) error {
	if s.cfg.URL != "" {
		return s.openExternal(ctx)
	}
	if err := s.startEmbedded(); err != nil {
		return err
	}
	return s.prepare(ctx)
}

// prepare connects and makes all that is stored ready for use.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.checkServer(); err != nil {
		return err
	}
	meta, n, rev, err := s.storedFormat(ctx) // first: a newer store is not touched
	if err != nil {
		return err
	}
	if err := s.ensureStreams(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx, meta, n, rev); err != nil {
		return err
	}
	if err := s.fillLostTail(ctx); err != nil || s.node == nil {
		return err
	}
	if err := s.fillSequences(ctx); err != nil {
		return err
	}
	return blocks.KeepDescriptions(s.cfg.Dir)
}

// makeAndLock makes the data directory and keeps other processes out of it.
func makeAndLock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return disk.Lock(dir)
}

func (s *Store) startEmbedded() (err error) {
	if s.node, err = embedded.Start(s.cfg.node(), s.writeFailed); err != nil {
		return err
	}
	s.conn.Embedded = true
	for _, f := range s.earlyFlaws {
		s.node.AddFlaw(f)
	}
	s.keep()
	return nil
}

// Close stores the webhooks already accepted, then stops; it waits for them
// until ctx ends. Methods called later answer ErrUnavailable.
func (s *Store) Close(ctx context.Context) error {
	if s.conn.ReadOnly {
		s.release()
		return nil
	}
	err := s.committer.drain(ctx)
	s.conn.Cancel()
	if !s.opened.Load() {
		s.release()
		return err
	}
	s.moving.Wait()
	<-s.idle
	if s.node != nil {
		<-s.checked
		_, markErr := s.node.WriteMarks(nil, s.pruner.Noted())
		err = errors.Join(err, markErr)
	}
	s.release()
	return err
}

func (s *Store) release() {
	s.conn.Cancel()
	if f := s.early.Load(); f != nil {
		_ = f.Close() // its entries are on the disk
	}
	if s.conn.NC != nil {
		s.conn.NC.Close()
	}
	if s.node != nil {
		s.node.Stop()
	}
	if s.lock != nil {
		_ = s.lock.Close() // releases the lock
	}
}

func (c Config) complete() (Config, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Replicas = max(c.Replicas, 1)
	if c.Reserve == 0 {
		c.Reserve = 256 << 20
	}
	if c.Durability == "" {
		c.Durability = Fsync
	}
	listener := c.listener()
	if err := listener.Check(); err != nil {
		return c, err
	}
	switch {
	case c.Durability != Fsync && c.Durability != OS:
		return c, fmt.Errorf("durability is %q, must be %q or %q", c.Durability, Fsync, OS)
	case c.URL == "" && c.Dir == "":
		return c, fmt.Errorf("neither a data directory nor the URL of a NATS server is given")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return c, fmt.Errorf("give the NATS client certificate and its key together")
	case c.URL == "" && c.Replicas > 1:
		return c, fmt.Errorf("%d replicas need an external NATS cluster; the embedded server keeps one", c.Replicas)
	}
	return c, nil
}

func (c *Config) listener() embedded.Listener {
	return embedded.Listener{Address: c.Listen, User: c.ListenUser, Password: c.ListenPassword}
}

func (c *Config) node() embedded.Config {
	return embedded.Config{Dir: c.Dir, SyncAlways: c.Durability == Fsync, MaxStore: c.MaxStore, Listener: c.listener(), Log: c.Log}
}

// durability is what is promised, as far as it can be known.
func (s *Store) durability() Durability {
	switch {
	case s.node != nil:
		return s.cfg.Durability
	case s.raw.CachedInfo().Config.Replicas >= 3:
		return Replicated
	default:
		return Unproven
	}
}
