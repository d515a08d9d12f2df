package checker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/rules"
	"callwatch/stream"
)

// Verdict is the result of comparing what was acknowledged, what is stored and
// what reached Slack with what the stored webhooks imply.
type Verdict struct {
	Acked   int // webhooks answered 200
	Stored  int // webhooks in the store
	Lost    int // acknowledged and not stored, or stored with another body
	Frames  int // frames of RAW that the lost webhooks were in
	Due     int // incidents that the stored webhooks imply
	Opened  int // incidents that were opened
	Missing int // due and not announced, or announced in part
	Extra   int // announced and not due
	Twice   int // incidents or messages that are there more than once
	Unknown int // messages in Slack, and transitions, that nothing implies
	Wrong   int // threads whose first message shows another state than the incident has
	Damage  int // parts of the store that could not be read

	Unreadable int // stored bodies that cannot be normalized
	Dead       int // dead letters stored
	DeadLost   int // bodies that cannot be normalized and are no dead letter
	DeadExtra  int // dead letters of other bodies

	Sample []string
}

// Fine reports whether nothing is lost, nothing is there twice and nothing is
// there that should not be.
func (v *Verdict) Fine() bool {
	return v.Lost+v.Missing+v.Extra+v.Twice+v.Unknown+v.Wrong+v.DeadLost+v.DeadExtra == 0
}

func (v *Verdict) example(format string, args ...any) {
	if len(v.Sample) < 5 {
		v.Sample = append(v.Sample, fmt.Sprintf(format, args...))
	}
}

// count increases one of the figures of v and keeps an example.
func (v *Verdict) count(figure *int, format string, args ...any) {
	*figure++
	v.example(format, args...)
}

// implied is what the stored webhooks imply.
type implied struct {
	calls map[call.Key]*call.Call
	due   map[call.Key]bool          // calls that must have an incident
	dead  map[stream.Position]string // bodies that must be dead letters, by provider
}

// verify reads the store of a callwatch that has stopped, a data directory or the
// address of a NATS cluster, and compares.
func (l *ledger) verify(ctx context.Context, where string, storm bool) (*Verdict, error) {
	cfg := stream.Config{Dir: where, Durability: stream.OS, Reserve: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	if strings.Contains(where, "://") {
		cfg.Dir, cfg.URL = "", where
	}
	store, err := stream.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Acked: len(l.acked), Twice: len(l.double)}
	err = l.compare(ctx, store, v, storm)
	return v, errors.Join(err, store.Close(ctx))
}

func (l *ledger) compare(ctx context.Context, store *stream.Store, v *Verdict, storm bool) error {
	want, err := l.compareStored(ctx, store, v)
	if err != nil {
		return err
	}
	if err := want.compareDead(ctx, store, v); err != nil {
		return err
	}
	incidents, err := want.compareTransitions(ctx, store, v)
	if err != nil {
		return err
	}
	l.compareSlack(incidents, v, storm)
	return nil
}

// compareStored compares the acknowledged webhooks with the stored ones, and works
// out what those imply.
func (l *ledger) compareStored(ctx context.Context, store *stream.Store, v *Verdict) (*implied, error) {
	end, err := store.Append(ctx, stream.Record{Provider: "end"})
	if err != nil {
		return nil, err
	}
	missing := make(map[string]string, len(l.acked))
	for id, sum := range l.acked {
		missing[id] = sum
	}
	want := &implied{calls: map[call.Key]*call.Call{}, due: map[call.Key]bool{}, dead: map[stream.Position]string{}}
	enough := errors.New("enough")
	err = store.Records(ctx, stream.Position{}, func(records []stream.Record) error {
		for i := range records {
			r := &records[i]
			if r.ID() == end {
				return enough
			}
			v.Stored++
			if sum, ok := missing[r.ID()]; ok {
				if sum != digest(r.Body) {
					v.count(&v.Lost, "%s is stored with another body", r.ID())
				}
				delete(missing, r.ID())
			}
			want.take(r)
		}
		return nil
	}, func(*stream.Damage) { v.Damage++ })
	if !errors.Is(err, enough) {
		return nil, err
	}
	frames := map[string]bool{}
	for id := range missing {
		v.count(&v.Lost, "%s is not stored", id)
		frame, _, _ := strings.Cut(id, ".")
		frames[frame] = true
	}
	v.Frames = len(frames)
	v.Due, v.Unreadable = len(want.due), len(want.dead)
	return want, nil
}

// options and folding are those of the rows' settings. The product rates the intervals that
// several events of a call brought as one list, and so must this.
var (
	options = normalizer.Options{Prefer: call.PreferProvider}
	folding = call.Folding{Prefer: options.Prefer, Rate: normalizer.Rater(options)}
)

// take folds a stored webhook into its call by the definition of the rule, without
// the engine under test.
func (w *implied) take(r *stream.Record) {
	events, err := normalized(r)
	if err != nil {
		w.dead[r.Origin()] = r.Provider
		return
	}
	for i := range events {
		e := &events[i]
		c := w.calls[e.Key()]
		if c == nil {
			c = &call.Call{}
			w.calls[e.Key()] = c
		}
		if c.FoldWith(e, folding) && (c.PacketsLost != nil && *c.PacketsLost > 50 || c.MOS != nil && *c.MOS < 3.5) {
			w.due[e.Key()] = true
		}
	}
}

func normalized(r *stream.Record) (events []call.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the normalizer: %v", p)
		}
	}()
	p, ok := registry.Find(r.Provider)
	if !ok {
		return nil, fmt.Errorf("no provider %q", r.Provider)
	}
	return normalizer.Events(p, &normalizer.Body{
		Provider: r.Provider, Source: normalizer.Source(r.Source), ContentType: r.ContentType, Header: r.Header,
		Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.Origin().String(), Key: r.Key, CallID: r.CallID,
	}, options)
}

// mostDead bounds the dead letters that are read.
const mostDead = 2_000_000

// compareDead compares the stored dead letters with the bodies that cannot be
// normalized.
func (w *implied) compareDead(ctx context.Context, store *stream.Store, v *Verdict) error {
	letters, err := store.DeadLetters(ctx, mostDead)
	if err != nil {
		return err
	}
	found := map[stream.Position]bool{}
	for _, d := range letters {
		found[d.Raw] = true
		v.Dead++
		switch provider, due := w.dead[d.Raw]; {
		case !due:
			v.count(&v.DeadExtra, "dead letter of %s, whose body can be normalized", d.RawID)
		case d.Provider != provider || d.Error == "":
			v.count(&v.DeadExtra, "dead letter of %s has provider %q and error %q", d.RawID, d.Provider, d.Error)
		}
	}
	for at := range w.dead {
		if !found[at] {
			v.count(&v.DeadLost, "body %s cannot be normalized and is no dead letter", at)
		}
	}
	return nil
}

// incident is one incident as its stored transitions show it.
type incident struct {
	call  call.Key
	last  rules.Transition
	lines map[string]bool // names of the replies that its transitions imply
}

// compareTransitions compares the stored transitions with the calls that must
// have an incident. It returns the incidents by their ids.
func (w *implied) compareTransitions(ctx context.Context, store *stream.Store, v *Verdict) (map[string]*incident, error) {
	found := map[string]*incident{}
	ofCall := map[call.Key]string{}
	err := store.StoredTransitions(ctx, func(s stream.Transition) error {
		var t rules.Transition
		if err := json.Unmarshal(s.Data, &t); err != nil {
			return fmt.Errorf("transition %d: %w", s.Seq, err)
		}
		if t.Incident.Mode == rules.Shadow {
			return nil // a thread in Slack would have no incident
		}
		if !strings.HasPrefix(t.Incident.Rule, "bad-call") {
			v.count(&v.Unknown, "transition %d is of rule %q, which no webhook matches", s.Seq, t.Incident.Rule)
			return nil
		}
		w.takeTransition(s.Seq, &t, found, ofCall, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v.Opened = len(found)
	for k := range w.due {
		if ofCall[k] == "" {
			v.count(&v.Missing, "call %v is bad and has no incident", k)
		}
	}
	return found, nil
}

func (w *implied) takeTransition(seq uint64, t *rules.Transition, found map[string]*incident, ofCall map[call.Key]string, v *Verdict) {
	in := found[t.Incident.ID]
	if t.Step == rules.StepOpened {
		if in != nil {
			v.count(&v.Twice, "incident %s is opened again by transition %d", t.Incident.ID, seq)
			return
		}
		if len(t.Incident.By) != 2 {
			v.count(&v.Unknown, "incident %s is of %v, want provider and call", t.Incident.ID, t.Incident.By)
			return
		}
		in = &incident{call: call.Key{Provider: t.Incident.By[0].Value, CallID: t.Incident.By[1].Value}, last: *t, lines: map[string]bool{"opened": true}}
		found[t.Incident.ID] = in
		if other, ok := ofCall[in.call]; ok {
			v.count(&v.Twice, "call %v has the incidents %s and %s", in.call, other, t.Incident.ID)
		}
		ofCall[in.call] = t.Incident.ID
		if !w.due[in.call] {
			v.count(&v.Extra, "incident %s of %v is not due", t.Incident.ID, in.call)
		}
	}
	if in == nil {
		v.count(&v.Unknown, "transition %d (%s) is of incident %s, which was not opened", seq, t.Step, t.Incident.ID)
		return
	}
	if t.Step != rules.StepOpened {
		switch {
		case !t.Cause.After(in.last.Cause):
			v.count(&v.Twice, "transition %d (%s) of %s has a cause before the one of the transition before", seq, t.Step, t.Incident.ID)
		case in.last.Incident.State == rules.Resolved:
			v.count(&v.Unknown, "transition %d (%s) is of %s, which is resolved", seq, t.Step, t.Incident.ID)
		case t.Step != rules.StepResolved: // one call opens an incident and nobody acts on it
			v.count(&v.Unknown, "transition %d (%s) of %s: no webhook implies it", seq, t.Step, t.Incident.ID)
		}
		in.lines["resolved"] = in.lines["resolved"] || t.Step == rules.StepResolved
		in.last = *t
	}
	if n := t.Incident.Counts.Matched; n != 1 {
		v.count(&v.Unknown, "transition %d (%s) of %s counts %d calls, want its one", seq, t.Step, t.Incident.ID, n)
	}
}
