// Package alerts keeps the transitions of incidents. Of callwatch it imports the packages
// blocks, jet and names.
package alerts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const lastWait = time.Minute // for the state of all incidents

// Transitions are the transitions of a store.
type Transitions struct {
	conn   *jet.Conn
	stream *jet.Stream
	dir    string
	flaws  func() []blocks.Flaw
}

// New returns the transitions that are kept in a stream. dir is the data directory of the
// embedded server, and flaws the damage found there since the start.
func New(conn *jet.Conn, stream *jet.Stream, dir string, flaws func() []blocks.Flaw) *Transitions {
	return &Transitions{conn: conn, stream: stream, dir: dir, flaws: flaws}
}

// Cause is the place in EVENTS that made a transition happen.
type Cause struct {
	Seq   uint64 // of the event or tick
	Index int    // among the transitions it caused
}

func (c Cause) after(o Cause) bool { return c.Seq > o.Seq || c.Seq == o.Seq && c.Index > o.Index }

func (c Cause) String() string {
	return strconv.FormatUint(c.Seq, 10) + "." + strconv.Itoa(c.Index)
}

func parseCause(s string) (Cause, error) {
	seq, index, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(seq, 10, 64)
	i, err2 := strconv.Atoi(index)
	return Cause{n, i}, errors.Join(err, err2)
}

// Transition is one stored step of the incident of one (rule, key).
type Transition struct {
	Seq   uint64    // in ALERTS
	Time  time.Time // when it was stored
	Rule  string
	Key   string
	Cause Cause
	Data  []byte

	Rewrites []uint64 // sequences of the transitions it is in the place of; see RewriteTransitions
}

// PutTransition stores the next transition of (rule, key), unless one of this or
// a later cause is stored: then stored is false. The comparison holds against
// concurrent writers, so a transition is stored once, however many replicas replay it.
func (s *Transitions) PutTransition(ctx context.Context, rule, key string, cause Cause, data []byte) (stored bool, err error) {
	subject := names.AlertSubject(rule, key)
	for {
		had, any, seq, err := s.lastCause(ctx, subject)
		if err != nil {
			return false, fmt.Errorf("last transition of %s: %w", rule, err)
		}
		if any && !cause.after(had) {
			return false, nil
		}
		msg := s.conn.Sealed(names.AlertStream, &nats.Msg{Subject: subject, Data: data, Header: nats.Header{
			jet.HeaderRule: {names.EscapeHeader(rule)}, jet.HeaderKey: {names.EscapeHeader(key)}, jet.HeaderCause: {cause.String()},
		}})
		_, err = s.conn.JS.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(seq))
		switch {
		case err == nil:
			return true, nil
		case !jet.LostRace(err):
			return false, fmt.Errorf("transition of %s: %w", rule, jet.Classify(err))
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
		// Another writer was faster: what it stored decides.
	}
}

// lastCause returns the cause of the last transition on subject, if there is any,
// and the sequence of the last message there, 0 when there is none.
func (s *Transitions) lastCause(ctx context.Context, subject string) (cause Cause, any bool, seq uint64, err error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Cause{}, false, 0, nil
	}
	if err != nil {
		return Cause{}, false, 0, jet.ReadError(ctx, err)
	}
	if why := s.conn.Check(names.AlertStream, subject, m.Header, m.Sequence); why != nil {
		s.conn.Skip(names.AlertStream, subject, m.Sequence, why)
		last, any, err := s.lastTransition(ctx, subject)
		return last.Cause, any, m.Sequence, err
	}
	cause, err = parseCause(m.Header.Get(jet.HeaderCause))
	return cause, true, m.Sequence, err
}

// lastTransition reads the last transition on a subject where a foreign message
// is behind it.
func (s *Transitions) lastTransition(ctx context.Context, subject string) (last Transition, any bool, err error) {
	all, err := s.transitions(ctx, jet.Cursor{Subjects: []string{subject}})
	if err != nil || len(all) == 0 {
		return Transition{}, false, err
	}
	return all[len(all)-1], true, nil
}

// TransitionsLost is in how many places damage took transitions: since the start, or
// before it where TransitionsStoredAgain was not called since.
func (s *Transitions) TransitionsLost() (n int) {
	for _, f := range s.flaws() {
		if f.Stream == names.AlertStream && f.Last >= f.First && !f.Torn && !f.Restored {
			n++
		}
	}
	return max(n, len(s.lostAlerts()))
}

// TransitionsStoredAgain notes that what the damage found so far took is stored again.
func (s *Transitions) TransitionsStoredAgain() error {
	var failed error
	for _, path := range s.lostAlerts() {
		failed = errors.Join(failed, os.Rename(path, strings.TrimSuffix(path, ".blk")+".salvaged"))
	}
	return failed
}

// lostAlerts are the copies of damaged blocks of ALERTS whose transitions are not
// stored again.
func (s *Transitions) lostAlerts() []string {
	if !s.conn.Embedded {
		return nil
	}
	copies, _ := filepath.Glob(filepath.Join(s.dir, blocks.QuarantineDir, names.AlertStream+"-*.blk"))
	return copies
}

// TransitionAt reads the transition at a sequence; ErrNotFound where there is
// none, or none any more.
func (s *Transitions) TransitionAt(ctx context.Context, seq uint64) (Transition, error) {
	m, err := s.stream.GetMsg(ctx, seq)
	if err != nil {
		return Transition{}, fmt.Errorf("transition %d: %w", seq, jet.ReadError(ctx, err))
	}
	if s.conn.Check(names.AlertStream, m.Subject, m.Header, seq) != nil {
		return Transition{}, fmt.Errorf("transition %d: %w", seq, jet.ErrNotFound)
	}
	return transitionOf(m.Header, m.Sequence, m.Time, m.Data), nil
}

// FollowTransitions reads ALERTS from a sequence on (0: from the start): what is
// stored, then what comes, in order, until ctx ends or fn fails. skipped, where it
// is not nil, is called with the sequence of each foreign message instead of fn.
func (s *Transitions) FollowTransitions(ctx context.Context, from uint64, fn func(Transition) error, skipped func(seq uint64)) error {
	c := jet.Cursor{Conn: s.conn, Stream: names.AlertStream, Next: from, Batch: jet.MessagesAtOnce}
	if skipped != nil {
		c.Skipped = func(_ string, seq uint64) { skipped(seq) }
	}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error { return fn(newTransition(m, meta)) }
	return c.Run(ctx)
}

// LastTransitions reads the last transition of every (rule, key), oldest first:
// the state of all incidents. It fails when that takes longer than a minute.
func (s *Transitions) LastTransitions(ctx context.Context) ([]Transition, error) {
	ctx, cancel := context.WithTimeout(ctx, lastWait)
	defer cancel()
	var hidden []string // by a foreign message
	found, err := s.transitions(ctx, jet.Cursor{Last: true, Skipped: func(subject string, _ uint64) { hidden = append(hidden, subject) }})
	for i := 0; i < len(hidden) && err == nil; i++ {
		var last Transition
		var any bool
		if last, any, err = s.lastTransition(ctx, hidden[i]); any {
			found = append(found, last)
		}
	}
	slices.SortStableFunc(found, func(a, b Transition) int { return cmp.Compare(a.Seq, b.Seq) })
	// On a cluster a first server may have read what another knows to be replaced.
	type name struct{ rule, key string }
	latest := map[name]uint64{}
	for i := range found {
		latest[name{found[i].Rule, found[i].Key}] = found[i].Seq
	}
	return slices.DeleteFunc(found, func(t Transition) bool { return t.Seq != latest[name{t.Rule, t.Key}] }), err
}

// History reads all transitions of one (rule, key), oldest first.
func (s *Transitions) History(ctx context.Context, rule, key string) ([]Transition, error) {
	return s.transitions(ctx, jet.Cursor{Subjects: []string{names.AlertSubject(rule, key)}})
}

// StoredTransitions reads all transitions, oldest first, and ends behind the last
// one or with fn's error.
func (s *Transitions) StoredTransitions(ctx context.Context, fn func(Transition) error) error {
	c := jet.Cursor{Conn: s.conn, Stream: names.AlertStream, Batch: jet.MessagesAtOnce, ToEnd: true}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error { return fn(newTransition(m, meta)) }
	return c.Run(ctx)
}

func (s *Transitions) transitions(ctx context.Context, c jet.Cursor) (found []Transition, err error) {
	c.Conn, c.Stream, c.Batch, c.ToEnd = s.conn, names.AlertStream, jet.MessagesAtOnce, true
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		found = append(found, newTransition(m, meta))
		return nil
	}
	err = c.Run(ctx)
	return found, err
}

func newTransition(m jetstream.Msg, meta *jetstream.MsgMetadata) Transition {
	return transitionOf(m.Headers(), meta.Sequence.Stream, meta.Timestamp, m.Data())
}

func transitionOf(h nats.Header, seq uint64, stored time.Time, data []byte) Transition {
	cause, _ := parseCause(h.Get(jet.HeaderCause)) // written by PutTransition only
	if first, err := time.Parse(time.RFC3339Nano, h.Get(jet.HeaderStored)); err == nil {
		stored = first
	}
	return Transition{
		Seq: seq, Time: stored.UTC(), Cause: cause, Data: data,
		Rule: names.UnescapeHeader(h.Get(jet.HeaderRule)), Key: names.UnescapeHeader(h.Get(jet.HeaderKey)), Rewrites: jet.RewrittenBy(h),
	}
}

// SkipTransition notes that the transition cannot be read and is skipped.
func (s *Transitions) SkipTransition(t *Transition, why error) {
	s.conn.Skip(names.AlertStream, names.AlertSubject(t.Rule, t.Key), t.Seq, why)
}

// WellFormed returns what is wrong with a transition that was stored before seals.
func WellFormed(subject string, h nats.Header) error {
	if _, err := parseCause(h.Get(jet.HeaderCause)); err != nil {
		return errors.New("it names no cause")
	}
	if names.AlertSubject(names.UnescapeHeader(h.Get(jet.HeaderRule)), names.UnescapeHeader(h.Get(jet.HeaderKey))) != subject {
		return errors.New("its subject is not that of its rule and key")
	}
	return nil
}
