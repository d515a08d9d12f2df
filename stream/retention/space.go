// Package retention knows how much a store holds and may hold, and removes what is older than
// it is to be kept and what there is no space for. Of callwatch it imports the packages disk,
// embedded, jet and names.
package retention

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/disk"
	"callwatch/stream/embedded"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// growthSpan is how long a stream must have been filled before its growth is known.
const growthSpan = 10 * time.Minute

// Config says what is kept, and where.
type Config struct {
	Dir      string // data directory of the embedded server
	MaxStore int64  // bytes that may be held; 0: all of the file system but the reserve
	Reserve  int64  // bytes of free disk below which webhooks are refused
	// Keep is how long each stream keeps a message; 0: no limit.
	Keep map[string]time.Duration
}

// Space is what the store takes and may take.
type Space struct {
	conn        *jet.Conn
	raw, events *jet.Stream
	node        *embedded.Server // nil when external
	cfg         Config

	guard    atomic.Pointer[func() Watermarks]
	usage    atomic.Pointer[Usage]
	prunedTo map[string]*atomic.Uint64 // the streams were pruned up to here for lack of space

	work  chan func(*Pruner)
	ended <-chan struct{}
}

// Watermarks are the last sequences of each stream that all stages have processed.
// What is behind them is never removed by the store itself.
type Watermarks struct{ Raw, Events uint64 }

// Guard sets how far the stages have come. Without it nothing is removed but by Prune.
func (s *Space) Guard(fn func() Watermarks) { s.guard.Store(&fn) }

// Usage is how much the store holds and may hold, in bytes.
type Usage struct {
	Used, Limit uint64
	// Growing are the streams that grow: those that hold nothing as old as it may
	// become.
	Growing []Growth
	// Short is by how much less than its configured age a stream keeps, because the
	// limit was reached; only streams of which that is so.
	Short map[string]time.Duration
}

// Growth is how fast a stream grows and for how long, unless the limit is reached.
type Growth struct {
	PerDay float64       // bytes
	For    time.Duration // 0: for ever
}

// PerDay is the growth of all streams in bytes; ok is false while it is unknown or
// there is none.
func (u *Usage) PerDay() (bytes uint64, ok bool) {
	sum := 0.0
	for _, g := range u.Growing {
		sum += g.PerDay
	}
	return uint64(sum), sum >= 1
}

// DaysLeft is when the limit is reached at this growth; ok is false when it is not
// reached before everything is as old as it may become. From then on the oldest
// webhooks are removed before their time.
func (u *Usage) DaysLeft() (days float64, ok bool) {
	if u.Limit == 0 {
		return 0, false
	}
	left := float64(u.Limit - min(u.Used, u.Limit))
	growing := slices.SortedFunc(slices.Values(u.Growing), func(a, b Growth) int { return cmp.Compare(a.ends(), b.ends()) })
	rate := 0.0
	for _, g := range growing {
		rate += g.PerDay
	}
	for _, g := range growing {
		if grows := rate * (g.ends() - days); grows >= left {
			return days + left/rate, true
		}
		left -= rate * (g.ends() - days)
		days, rate = g.ends(), rate-g.PerDay
	}
	return 0, false
}

// ends is after how many days the growth ends.
func (g Growth) ends() float64 {
	if g.For == 0 {
		return math.Inf(1)
	}
	return g.For.Hours() / 24
}

// Usage reports how full the store is, as it was measured a second ago; Limit is 0 on
// an external server.
func (s *Space) Usage() Usage {
	if u := s.usage.Load(); u != nil {
		return *u
	}
	return Usage{}
}

// measure finds out how much is used and how much may be.
func (s *Space) measure() (Usage, error) {
	free, err := disk.Free(s.cfg.Dir)
	if err != nil {
		return Usage{}, err
	}
	u, now := Usage{Short: map[string]time.Duration{}}, time.Now()
	for name, state := range s.node.States() {
		u.Used += state.Bytes
		if state.Msgs == 0 {
			continue
		}
		age, keep := now.Sub(state.FirstTime), s.cfg.Keep[name]
		if g, ok := growthOf(float64(state.Bytes), age, keep); ok {
			u.Growing = append(u.Growing, g)
		}
		if early := s.prunedTo[name]; early != nil && early.Load() >= state.FirstSeq && keep > age {
			u.Short[names.Short(name)] = keep - age
		}
	}
	u.Limit = uint64(s.cfg.MaxStore)
	if most := u.Used + free - min(free, 2*uint64(s.cfg.Reserve)); u.Limit == 0 || most < u.Limit {
		u.Limit = most
	}
	s.usage.Store(&u)
	return u, nil
}

// growthOf a stream that holds some bytes, the oldest of an age.
func growthOf(bytes float64, age, keep time.Duration) (Growth, bool) {
	if age < growthSpan || keep > 0 && age >= keep-pruneEvery {
		return Growth{}, false
	}
	g := Growth{PerDay: bytes / age.Hours() * 24}
	if keep > 0 {
		g.For = keep - age
	}
	return g, true
}

// Size is what the store takes.
type Size struct {
	Usage
	Streams   []StreamSize
	Directory uint64 // bytes of the files in the data directory; 0 when external
}

// StreamSize is what a stream takes.
type StreamSize struct {
	Name            string
	Messages, Bytes uint64
	Oldest          time.Time     // zero: the stream is empty
	Keep            time.Duration // how long a message is kept; 0: no limit
	PerDay          uint64        // bytes that come in a day; 0: unknown
}

// Size measures the store and its files.
func (s *Space) Size(ctx context.Context) (Size, error) {
	size := Size{Streams: []StreamSize{}}
	var err error
	if s.node != nil {
		if size.Usage, err = s.measure(); err != nil {
			return size, err
		}
		if size.Directory, err = bytesBelow(ctx, s.cfg.Dir); err != nil {
			return size, err
		}
		for name, state := range s.node.States() {
			size.Streams = append(size.Streams, s.sizeOf(name, state.Msgs, state.Bytes, state.FirstTime))
		}
	} else {
		for _, name := range []string{names.RawStream, names.EventStream, names.AlertStream, names.DeadStream, names.CheckpointStream, names.TaskStream} {
			st, err := s.conn.JS.Stream(ctx, name)
			if err != nil {
				return size, jet.ReadError(ctx, err)
			}
			state := st.CachedInfo().State
			size.Used += state.Bytes
			size.Streams = append(size.Streams, s.sizeOf(name, state.Msgs, state.Bytes, state.FirstTime))
		}
	}
	slices.SortFunc(size.Streams, func(a, b StreamSize) int { return strings.Compare(a.Name, b.Name) })
	return size, nil
}

func (s *Space) sizeOf(name string, messages, bytes uint64, oldest time.Time) StreamSize {
	size := StreamSize{Name: names.Short(name), Messages: messages, Bytes: bytes, Keep: s.cfg.Keep[name]}
	if messages > 0 {
		size.Oldest = oldest.UTC()
		if g, ok := growthOf(float64(bytes), time.Since(oldest), 0); ok {
			size.PerDay = uint64(g.PerDay)
		}
	}
	return size
}

// bytesBelow is the size of all files below a directory. Files that are removed in
// the meantime count nothing.
func bytesBelow(ctx context.Context, dir string) (sum uint64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		sum += uint64(info.Size())
		return nil
	})
	return sum, err
}

// errEnough ends a cursor that has read what was wanted.
var errEnough = errors.New("enough")

// firstSince is the sequence of the first message stored at or after a time; the one
// behind the last where there is none.
func (s *Space) firstSince(ctx context.Context, stream string, at time.Time) (seq uint64, err error) {
	st, err := s.conn.JS.Stream(ctx, stream)
	if err != nil {
		return 0, jet.ReadError(ctx, err)
	}
	c := jet.Cursor{Conn: s.conn, Stream: stream, Since: at, Batch: 1, ToEnd: true, Headers: true}
	seq = st.CachedInfo().State.LastSeq + 1
	c.Deliver = func(_ jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq = meta.Sequence.Stream
		return errEnough
	}
	if err := c.Run(ctx); err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	return seq, nil
}
