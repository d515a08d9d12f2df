package jet

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"callwatch/stream/names"
)

const (
	ForeignShown  = 20     // that Health lists
	foreignLogged = 3      // of each stream, as warnings
	foreignKnown  = 10_000 // that are told apart from those seen before
)

// Foreign is a message in the store that callwatch did not publish, or that it
// cannot read. It is skipped.
type Foreign struct {
	Stream  string `json:"stream"`
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"`
	Why     string `json:"why"`
}

func (f Foreign) String() string {
	return fmt.Sprintf("%s %d (%.80q): %s", f.Stream, f.Seq, f.Subject, f.Why)
}

// foreigners remembers the foreign messages that were found.
type foreigners struct {
	mu     sync.Mutex
	seen   map[foreignID]bool
	last   map[string]uint64 // highest sequence by stream
	counts map[string]uint64 // by stream
	latest []Foreign
}

type foreignID struct {
	stream string
	seq    uint64
}

// note reports whether f was not known before.
func (l *foreigners) note(f Foreign) (added bool, count uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen, l.last, l.counts = map[foreignID]bool{}, map[string]uint64{}, map[string]uint64{}
	}
	id := foreignID{f.Stream, f.Seq}
	if l.seen[id] || len(l.seen) >= foreignKnown && f.Seq <= l.last[f.Stream] {
		return false, 0
	}
	if len(l.seen) < foreignKnown {
		l.seen[id] = true
	}
	l.last[f.Stream] = max(l.last[f.Stream], f.Seq)
	l.counts[f.Stream]++
	if l.latest = append(l.latest, f); len(l.latest) > ForeignShown {
		l.latest = slices.Delete(l.latest, 0, 1)
	}
	return true, l.counts[f.Stream]
}

// Foreign returns how many foreign messages were found since the start, by stream,
// and the latest of them, at most 20.
func (c *Conn) Foreign() (counts map[string]uint64, latest []Foreign) {
	c.foreigners.mu.Lock()
	defer c.foreigners.mu.Unlock()
	counts = map[string]uint64{}
	maps.Copy(counts, c.foreigners.counts)
	return counts, slices.Clone(c.foreigners.latest)
}

// Skip notes a message that is not read.
func (c *Conn) Skip(stream, subject string, seq uint64, why error) {
	f := Foreign{Stream: names.Short(stream), Subject: fmt.Sprintf("%.200s", subject), Seq: seq, Why: why.Error()}
	added, count := c.foreigners.note(f)
	if !added {
		return
	}
	level := slog.LevelWarn
	if count > foreignLogged {
		level = slog.LevelDebug
	}
	c.Log.Log(context.Background(), level, "foreign message in the store is skipped", "stream", f.Stream, "seq", seq, "subject", f.Subject, "why", f.Why)
}
