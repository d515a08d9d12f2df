package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	foreignShown  = 20     // that Health lists
	foreignLogged = 3      // of each stream, as warnings
	foreignKnown  = 10_000 // that are told apart from those seen before
	inspectEvery  = 3 * time.Second
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
	if l.latest = append(l.latest, f); len(l.latest) > foreignShown {
		l.latest = slices.Delete(l.latest, 0, 1)
	}
	return true, l.counts[f.Stream]
}

// Foreign returns how many foreign messages were found since the start, by stream,
// and the latest of them, at most 20.
func (s *Store) Foreign() (counts map[string]uint64, latest []Foreign) {
	s.foreigners.mu.Lock()
	defer s.foreigners.mu.Unlock()
	counts = map[string]uint64{}
	maps.Copy(counts, s.foreigners.counts)
	return counts, slices.Clone(s.foreigners.latest)
}

// skip notes a message that is not read.
func (s *Store) skip(stream, subject string, seq uint64, why error) {
	f := Foreign{Stream: shortName(stream), Subject: fmt.Sprintf("%.200s", subject), Seq: seq, Why: why.Error()}
	added, count := s.foreigners.note(f)
	if !added {
		return
	}
	level := slog.LevelWarn
	if count > foreignLogged {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "foreign message in the store is skipped", "stream", f.Stream, "seq", seq, "subject", f.Subject, "why", f.Why)
}

// SkipEvent notes that the event, tick or mark cannot be read and is skipped.
func (s *Store) SkipEvent(m *Message, why error) { s.skip(eventStream, m.Subject, m.Seq, why) }

// SkipTransition notes that the transition cannot be read and is skipped.
func (s *Store) SkipTransition(t *Transition, why error) {
	s.skip(alertStream, alertSubject(t.Rule, t.Key), t.Seq, why)
}

// Skip notes that the value of key cannot be read and counts as missing.
func (b *Bucket) Skip(key string, rev uint64, why error) {
	b.store.skip(kvPrefix+b.name, b.subject(key), rev, why)
}

// shortName is the name of a stream or bucket for people.
func shortName(stream string) string {
	if name, ok := strings.CutPrefix(stream, kvPrefix); ok {
		return "bucket " + strings.TrimPrefix(name, bucketPrefix)
	}
	return strings.ToLower(strings.TrimPrefix(stream, "CALLWATCH_"))
}

// Inspect looks through the streams and buckets that no stage reads to the end,
// until ctx ends, so that foreign messages there are named too.
func (s *Store) Inspect(ctx context.Context) error {
	next := map[string]uint64{}
	every := time.NewTicker(inspectEvery)
	defer every.Stop()
	for {
		for _, stream := range s.inspected() {
			if err := s.inspect(ctx, stream, next); err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
				return fmt.Errorf("inspect stream %s: %w", stream, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
	}
}

func (s *Store) inspected() []string {
	var names []string
	s.seals.Range(func(name, _ any) bool {
		if name != rawStream && name != eventStream {
			names = append(names, name.(string))
		}
		return true
	})
	slices.Sort(names)
	return names
}

func (s *Store) inspect(ctx context.Context, stream string, next map[string]uint64) error {
	st, err := s.jsOf(stream).Stream(ctx, stream)
	if err != nil {
		return readError(ctx, err)
	}
	if st.CachedInfo().State.LastSeq < next[stream] {
		return nil
	}
	c := cursor{store: s, stream: stream, next: next[stream], batch: messagesAtOnce, toEnd: true, headers: true}
	c.deliver = func(jetstream.Msg, *jetstream.MsgMetadata, bool) error { return nil }
	err = c.run(ctx)
	next[stream] = max(c.next, st.CachedInfo().State.LastSeq+1)
	return err
}
