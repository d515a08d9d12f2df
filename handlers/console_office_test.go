package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/rules/ruletest"
)

const officeRules = `
rules:
  - name: low-mos
    when: mos < 3.5
    severity: {critical: mos < 2.5, warning: mos < 3.5}
    show: [mos, jitterMs]
  - name: lossy
    where: durationSec >= 10
    when: packetLossPct > 10 || jitterMs > 30 || rttMs > 500
    severity: critical
  - name: failed-calls
    when: status == "failed"
    by: [provider, hangupCause]
  - name: share
    over: 15m
    min_calls: 20
    when: rate(mos < 3.5) > 0.10
    resolve: rate(mos < 3.5) < 0.05
    by: [region]
    severity: {critical: rate(mos < 3.5) > 0.30, warning: rate(mos < 3.5) > 0.10}
`

// office is what the console looks at, kept in memory: the rules' own engine over
// the events that a test adds.
type office struct {
	t   *testing.T
	mu  sync.Mutex
	set *rules.Set

	engine      *engine.Engine
	events      []backend.StoredEvent
	transitions []backend.StoredTransition
	dead        []backend.DeadLetter
	seq         uint64
	changed     chan struct{}
	replayed    []string
	marks       []rules.Action
	scanDelay   time.Duration // of the model, for each ten calls that a filter looks at
}

func newOffice(t *testing.T) *office {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(officeRules))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return &office{t: t, set: set, engine: engine.New(set, engine.Options{}), changed: make(chan struct{})}
}

// add stores events and judges them.
func (o *office) add(events ...call.Event) { o.addAt(time.Now(), events...) }

// addAt stores events that come at a time.
func (o *office) addAt(at time.Time, events ...call.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at = at.UTC()
	for _, e := range events {
		o.seq++
		o.events = append(o.events, backend.StoredEvent{Seq: o.seq, At: at, Event: e})
		o.keep(o.engine.Apply(o.seq, at, &e), at)
	}
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *office) keep(ts []rules.Transition, at time.Time) {
	for _, t := range ts {
		o.transitions = append(o.transitions, backend.StoredTransition{Seq: uint64(len(o.transitions) + 1), At: at, Transition: t})
	}
}

func (o *office) mark(_ context.Context, a rules.Action) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	at := time.Now().UTC()
	o.marks = append(o.marks, a)
	o.keep(o.engine.Act(o.seq, at, a), at)
	close(o.changed)
	o.changed = make(chan struct{})
	return true, nil
}

// look reads under the lock.
func look[T any](o *office, read func() T) T {
	o.mu.Lock()
	defer o.mu.Unlock()
	return read()
}

func (o *office) api() *api.API {
	return &api.API{
		History: o.history(),
		Open:    func() []rules.Incident { return look(o, o.engine.Incidents) },
		Latest: func(context.Context) ([]rules.Incident, error) {
			return look(o, func() []rules.Incident {
				latest := map[string]rules.Incident{}
				for _, t := range o.transitions {
					latest[t.Transition.Incident.ID] = t.Transition.Incident
				}
				var all []rules.Incident
				for _, in := range latest {
					all = append(all, in)
				}
				return all
			}), nil
		},
		Silences: func() []rules.Silence { return look(o, o.engine.Silences) },
		Health:   func() []rules.Health { return look(o, o.engine.Healths) },
		Keys: func(rule string) []rules.KeyHealth {
			return look(o, func() []rules.KeyHealth { return o.engine.KeyHealths(rule) })
		},
		Rules: func() backend.RulesFile {
			return backend.RulesFile{Path: "rules.yaml", Rules: len(o.set.Rules), LoadedAt: time.Now(), Sources: []rules.Source{{Name: "rules.yaml", Text: []byte(officeRules)}}, Digest: o.set.Digest}
		},
		Progress: func() backend.Progress { return backend.Progress{} },
		Act:      o.mark,
	}
}

func (o *office) history() *backend.History {
	return &backend.History{
		Events: o.page, Follow: o.follow, FollowIncidents: o.followIncidents, Model: o.model(),
		Ends: func(context.Context) (backend.Ends, error) {
			return look(o, func() backend.Ends {
				return backend.Ends{Events: o.seq, Transitions: uint64(len(o.transitions))}
			}), nil
		},
		Call: o.call, Explain: o.explain, Try: o.try, Turn: func(context.Context) (func(), error) { return func() {}, nil }, Check: rulefmt.LoadSources, Backtest: o.backtest, Incident: o.incident,
		Body: func(_ context.Context, id string) (backend.Body, error) {
			if id == "gone" {
				return backend.Body{}, backend.ErrNotFound
			}
			return backend.Body{RawID: id, Provider: "telnyx", Source: "webhook", ContentType: "application/json", ReceivedAt: time.Now(), Bytes: []byte(`{"id":"` + id + `","x":"<script>alert(1)</script>"}`)}, nil
		},
		DeadLetters: func(context.Context, int) ([]backend.DeadLetter, error) {
			return look(o, func() []backend.DeadLetter { return slices.Clone(o.dead) }), nil
		},
		Replay: func(_ context.Context, ids []string) (backend.Replayed, error) {
			return look(o, func() backend.Replayed {
				n := len(o.dead)
				o.dead = slices.DeleteFunc(o.dead, func(d backend.DeadLetter) bool { return ids == nil || slices.Contains(ids, d.RawID) })
				o.replayed = append(o.replayed, ids...)
				return backend.Replayed{Tried: n - len(o.dead), Fixed: n - len(o.dead)}
			}), nil
		},
		Status: func(context.Context) backend.Status {
			daysLeft := 17.0
			return backend.Status{
				Version: json.RawMessage(`{"version":"1.2.3"}`), Started: time.Now().Add(-26 * time.Hour), Durability: "sync", Ready: true,
				Checks:    []backend.Check{{Name: "store", State: "passing"}, {Name: "slack", State: "degraded", Cause: "rate limited"}},
				Providers: []backend.ProviderStatus{{Name: "telnyx", Title: "Telnyx", Verifies: true, Accepted: 4211, LastSeen: time.Now()}, {Name: "bird", Title: "Bird", Trouble: "credential refused"}},
				Streams:   []backend.StreamStatus{{Name: "RAW", Messages: 1_204_211, Bytes: 3 << 30}}, Judged: 1_204_000, Backlog: 211, Dead: 2,
				Store:     &backend.StoreUsage{Bytes: 3 << 30, Limit: 20 << 30, GrowthPerDay: 1 << 30, DaysLeft: &daysLeft, Short: map[string]int64{"raw": 26 * 3600}},
				Receivers: []backend.Receiver{{Name: "#voice-quality"}, {Name: "#voice-oncall", Broken: "is_archived"}},
			}
		},
	}
}

func (o *office) filter(expr string) (func(e *call.Event) bool, error) {
	if expr == "" {
		return func(*call.Event) bool { return true }, nil
	}
	f, problems := rules.ParseFilter(expr)
	if problems.Errors() {
		return nil, problems
	}
	return func(e *call.Event) bool { return f.Holds(e) == rules.True }, nil
}

func (o *office) page(_ context.Context, q backend.EventQuery) (backend.EventPage, error) {
	passes, err := o.filter(q.Filter)
	if err != nil {
		return backend.EventPage{}, err
	}
	return look(o, func() (p backend.EventPage) {
		for i := len(o.events) - 1; i >= 0 && len(p.Events) < max(q.Limit, 1); i-- {
			if e := o.events[i]; (q.Before == 0 || e.Seq < q.Before) && passes(&e.Event) {
				p.Events = append(p.Events, e)
			}
		}
		return p
	}), nil
}

func (o *office) follow(ctx context.Context, q backend.EventQuery, fn func(backend.StoredEvent) error) error {
	passes, err := o.filter(q.Filter)
	if err != nil {
		return err
	}
	for after := q.After; ; {
		o.mu.Lock()
		changed := o.changed
		i, _ := slices.BinarySearchFunc(o.events, after+1, func(e backend.StoredEvent, seq uint64) int { return int(e.Seq) - int(seq) })
		fresh := slices.Clone(o.events[i:])
		o.mu.Unlock()
		for _, e := range fresh {
			if after = e.Seq; !passes(&e.Event) {
				continue
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (o *office) followIncidents(ctx context.Context, after uint64, fn func(backend.StoredTransition) error) error {
	for {
		o.mu.Lock()
		changed, fresh := o.changed, slices.Clone(o.transitions[min(int(after), len(o.transitions)):])
		o.mu.Unlock()
		for _, t := range fresh {
			if after = t.Seq; fn(t) != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (o *office) call(_ context.Context, k call.Key) (h backend.CallHistory, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var folded call.Call
	for _, e := range o.events {
		if e.Event.Key() == k {
			folded.Fold(&e.Event, "")
			h.Events = append(h.Events, e)
		}
	}
	if h.Call = folded.Event; h.Events == nil {
		return h, backend.ErrNotFound
	}
	for _, in := range o.engine.Incidents() {
		if in.Opening.Call.Key() == k || in.Latest.Call.Key() == k {
			h.Incidents = append(h.Incidents, in)
		}
	}
	return h, nil
}

func (o *office) explain(ctx context.Context, k call.Key) (rules.CallExplanation, error) {
	h, err := o.call(ctx, k)
	if err != nil {
		return rules.CallExplanation{}, err
	}
	trace := ruletest.NewTrace(o.set, engine.Options{})
	for _, e := range h.Events {
		trace.Apply(e.At, &e.Event)
	}
	return trace.Calls()[0], nil
}

func (o *office) try(ctx context.Context, expr string, k call.Key) (rules.Explanation, error) {
	h, err := o.call(ctx, k)
	if err != nil {
		return rules.Explanation{}, err
	}
	x, problems := o.set.Try(expr, &h.Call)
	if problems.Errors() {
		return x, problems
	}
	return x, nil
}

func (o *office) backtest(_ context.Context, q backend.BacktestQuery, _ func(done, total uint64)) (backtest.Report, error) {
	return look(o, func() backtest.Report {
		test := backtest.New(q.Rules, backtest.Options{Baseline: o.set})
		for _, e := range o.events {
			test.Event(e.At, &e.Event)
		}
		return test.Report()
	}), nil
}

func (o *office) incident(_ context.Context, id string) (backend.IncidentHistory, error) {
	h := look(o, func() (h backend.IncidentHistory) {
		for _, t := range o.transitions {
			if t.Transition.Incident.ID == id {
				h.Incident = t.Transition.Incident
				h.Transitions = append(h.Transitions, t.Transition)
			}
		}
		h.Thread = "https://example.slack.com/archives/C1/p1"
		return h
	})
	if h.Incident.ID == "" {
		return h, backend.ErrNotFound
	}
	return h, nil
}

// fleet adds calls of two days: of one provider, one region is bad since an hour.
func (o *office) fleet() {
	now := time.Now().UTC().Truncate(time.Second)
	var calls []call.Event
	for i := range 240 {
		ago := time.Duration(i) * 12 * time.Minute
		e := event(1000+i, []string{"telnyx", "bird", "signalwire", "atoms"}[i%4], new(4.3-float64(i%5)*0.1), call.FromProvider)
		e.StartedAt, e.EndedAt = now.Add(-ago-time.Minute), now.Add(-ago)
		e.Direction, e.From, e.To, e.DurationSec = []string{call.Outbound, call.Inbound}[i%2], "+12025550143", fmt.Sprintf("+1415555%04d", 187+i), new(float64(20+i%400))
		e.Region, e.Codec = []string{"us-east", "eu-west", "ap-south", "sa-east", ""}[i%5], []string{"opus", "PCMU", "g729"}[i%3]
		e.PacketLossPct, e.JitterMs, e.RTTMs = new(float64(i%7)*0.1), new(float64(3+i%9)), new(float64(40+i%90))
		switch {
		case e.Provider == "atoms":
			e.MOS, e.MOSSource, e.PacketLossPct, e.JitterMs, e.RTTMs = nil, "", nil, nil, nil
			e.AgentName, e.TurnLatencyMs = []string{"Front desk", "Order status"}[i/4%2], new(float64(700+i*3))
		case ago < 20*time.Hour && e.Region == "eu-west" && e.Provider == "telnyx":
			e.MOS, e.PacketLossPct, e.JitterMs = new(2.4+float64(i%3)*0.3), new(9.5), new(38.0)
		}
		calls = append(calls, e)
	}
	o.add(calls...)
}

// busy fills the office with calls of all sorts, one of them with intervals.
func (o *office) busy() {
	start := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	for i := range 40 {
		e := event(i, []string{"telnyx", "bird", "signalwire"}[i%3], new(4.41-float64(i%6)*0.21), call.FromProvider)
		e.PacketLossPct, e.JitterMs, e.RTTMs, e.DurationSec = new(float64(i%7)*0.3), new(float64(3+i%9)), new(float64(60+i*3)), new(float64(30+i))
		e.HangupCause = "normal_clearing"
		o.add(e)
	}
	failed := event(50, "butter", nil, "")
	failed.Status, failed.HangupCause = call.Failed, "no route to destination"
	bad := event(51, "telnyx", new(2.31), call.Estimated)
	bad.RawID, bad.Direction, bad.Codec, bad.DurationSec = "raw-51", call.Outbound, "opus", new(120.0)
	bad.PacketLossPct, bad.JitterMs, bad.RTTMs, bad.StartedAt = new(12.4), new(41.0), new(312.0), start
	for i := range 24 {
		at := start.Add(time.Duration(i) * 5 * time.Second)
		sway := float64((i*7)%11) / 10
		bad.Intervals = append(bad.Intervals, call.Interval{
			Start: at, End: at.Add(5 * time.Second), MOS: new(4.2 - float64(i)*0.08 + sway/3), PacketLossPct: new(float64(i)*0.6 + sway*2),
			JitterMs: new(12 + float64(i)*1.4 + sway*4), RTTMs: new(180 + float64(i)*9 + sway*20),
		})
	}
	hostile := event(52, "atoms", new(3.2), call.Estimated)
	hostile.CallID = `<img src=x onerror=alert(1)>/"'` + "\r\n" + `${1}{{.}}`
	hostile.HangupCause, hostile.Status = `</td><script>alert(2)</script>`, call.Failed
	o.add(failed, hostile, bad)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, text := range []string{"unexpected end of JSON input", `field <b>"mos"</b> is no number`} {
		o.dead = append(o.dead, backend.DeadLetter{RawID: fmt.Sprintf("raw-%d", 70+i), Provider: "bird", Kind: "body", Error: text, Time: time.Now()})
	}
}
