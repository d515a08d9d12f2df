package alerts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// RewriteTransitions stores transitions once more with what change returns, and
// overwrites those that it wants changed: ok is false for one that stays. On the
// subject of a changed one all later ones are stored again too, so that their order
// and the last cause stay. key takes the place of the transition's key in its header.
// It returns how many were changed. It may be stopped anywhere and called again.
func (s *Transitions) RewriteTransitions(ctx context.Context, change func(Transition) (data []byte, key string, ok bool)) (changed int, err error) {
	subjects := map[string]bool{}
	c := jet.Cursor{Conn: s.conn, Stream: names.AlertStream, Batch: jet.MessagesAtOnce, ToEnd: true}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		if _, _, ok := change(newTransition(m, meta)); ok {
			subjects[m.Subject()] = true
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return 0, fmt.Errorf("read transitions: %w", err)
	}
	for subject := range subjects {
		n, err := s.rewriteIncident(ctx, subject, change)
		for tries := 0; errors.Is(err, jet.ErrConflict) && tries < jet.MaxRewrites; tries++ {
			n, err = s.rewriteIncident(ctx, subject, change) // the incident went on meanwhile
		}
		changed += n
		if err != nil {
			return changed, fmt.Errorf("rewrite transitions: %w", err)
		}
	}
	return changed, nil
}

func (s *Transitions) rewriteIncident(ctx context.Context, subject string, change func(Transition) ([]byte, string, bool)) (changed int, err error) {
	all, err := s.transitions(ctx, jet.Cursor{Subjects: []string{subject}})
	if err != nil {
		return 0, err
	}
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return 0, jet.ReadError(ctx, err)
	}
	last := m.Sequence // perhaps of a foreign message
	// Of two with one cause the later one is in force: an earlier run was stopped.
	inForce := map[Cause]Transition{}
	var from *Cause
	for _, t := range all {
		_, again := inForce[t.Cause]
		if _, _, ok := change(t); (ok || again) && (from == nil || from.after(t.Cause)) {
			from = &t.Cause
		}
		inForce[t.Cause] = t
	}
	if from == nil {
		return 0, nil
	}
	order := slices.SortedFunc(maps.Keys(inForce), func(a, b Cause) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Index, b.Index)) })
	for _, cause := range order {
		if from.after(cause) {
			continue
		}
		t := inForce[cause]
		data, key, ok := change(t)
		if !ok {
			data, key = t.Data, t.Key
		} else {
			changed++
		}
		var olds []string
		for _, old := range all {
			if old.Cause == cause {
				for _, seq := range append(old.Rewrites, old.Seq) {
					olds = append(olds, strconv.FormatUint(seq, 10))
				}
			}
		}
		msg := s.conn.Sealed(names.AlertStream, &nats.Msg{Subject: subject, Data: data, Header: nats.Header{
			jet.HeaderRule: {names.EscapeHeader(t.Rule)}, jet.HeaderKey: {names.EscapeHeader(key)}, jet.HeaderCause: {cause.String()},
			jet.HeaderRewrites: {strings.Join(olds, ",")}, jet.HeaderStored: {t.Time.Format(time.RFC3339Nano)},
		}})
		ack, err := s.conn.JS.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(last))
		if err != nil {
			return changed, jet.Classify(err)
		}
		last = ack.Sequence
	}
	for _, t := range all {
		if from.after(t.Cause) {
			continue
		}
		if err := jet.Overwrite(ctx, s.stream, t.Seq); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// Unseen tells which rewritten transitions a follower has not had in their first
// form, because they were removed before it came to them.
type Unseen struct {
	next uint64
	gaps [][2]uint64 // first and last sequence of what was missing
}

// NewUnseen is for a follower that has had what is before a sequence.
func NewUnseen(from uint64) *Unseen { return &Unseen{next: from} }

// New reports whether the transition is news to the follower. It must be called with
// each one, in their order.
func (u *Unseen) New(t *Transition) bool {
	if t.Seq > u.next {
		u.gaps = append(u.gaps, [2]uint64{u.next, t.Seq - 1})
	}
	u.next = t.Seq + 1
	return !slices.ContainsFunc(t.Rewrites, func(seq uint64) bool {
		return !slices.ContainsFunc(u.gaps, func(g [2]uint64) bool { return g[0] <= seq && seq <= g[1] })
	})
}
