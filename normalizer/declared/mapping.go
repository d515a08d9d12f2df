package declared

import (
	"fmt"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/declared/expression"
	"callwatch/normalizer/lenient"
)

// turnLatencies is what mappings may set beside the fields of a call: the latencies of an
// agent's turns in ms, as a list. Mean, 95th percentile and maximum come of it.
const turnLatencies = "turnLatenciesMs"

// maxIntervals of one event.
const maxIntervals = 1200

// normalize turns a stored body into events.
func (d *Declaration) normalize(b *normalizer.Body) ([]call.Event, error) {
	events, _, err := d.explain(b, false)
	return events, err
}

// explain is normalize that also tells, where it is asked to, which mappings failed.
func (d *Declaration) explain(b *normalizer.Body, noted bool) (events []call.Event, notes []string, err error) {
	whole, err := d.read(b)
	if err != nil {
		return nil, nil, err
	}
	r := expression.Run{Noted: noted, Roots: map[string]lenient.Node{
		"whole": whole, "header": headers(b), "source": lenient.Of(string(b.Source)), "callId": lenient.Of(b.CallID),
	}}
	records := d.records(&r, whole)
	events, err = normalizer.EachRecord(records, func(n lenient.Node) ([]call.Event, error) {
		r.Roots["body"] = n
		r.Reset()
		e, err := d.record(&r, b, n)
		if e == nil || err != nil {
			return nil, err
		}
		return []call.Event{*e}, nil
	})
	if r.Steps > expression.MaxSteps {
		return nil, r.Notes, expression.ErrTooLong
	}
	return events, r.Notes, err
}

func headers(b *normalizer.Body) lenient.Node {
	m := make(map[string]any, len(b.Header))
	for name, v := range b.Header {
		m[strings.ToLower(name)] = v
	}
	return lenient.Of(m)
}

func (d *Declaration) read(b *normalizer.Body) (lenient.Node, error) {
	form := d.body.format == "form"
	if d.body.format == "" || b.Source != normalizer.Pushed {
		form = normalizer.IsForm(b.ContentType, b.Bytes)
	}
	if form {
		return lenient.ParseForm(b.Bytes)
	}
	return lenient.ParseJSON(b.Bytes)
}

// records are the parts of a body that are about one call each.
func (d *Declaration) records(r *expression.Run, whole lenient.Node) []lenient.Node {
	n := whole
	if d.body.each != nil {
		if list := expression.EmbeddedIn(r.Node(d.body.each)); !list.IsNull() {
			n = list
		}
	}
	if n.IsList() {
		return n.List()
	}
	return []lenient.Node{n}
}

// record maps one record; nil where it is of no interest.
func (d *Declaration) record(r *expression.Run, b *normalizer.Body, n lenient.Node) (*call.Event, error) {
	if !n.IsObject() {
		return nil, fmt.Errorf("the body is no object: none of the events of %s", d.Title)
	}
	for i := range d.events {
		if k := &d.events[i]; k.when == nil || r.Holds(k.when) {
			return d.event(r, b, k, n)
		}
	}
	if d.ignore != nil && r.Holds(d.ignore) {
		return nil, nil
	}
	if err := normalizer.ErrorAnswer(n); err != nil {
		return nil, err
	}
	if d.refuse {
		return nil, normalizer.UnknownBody(n, "the events of "+d.Title)
	}
	return nil, nil
}

func (d *Declaration) event(r *expression.Run, b *normalizer.Body, k *event, n lenient.Node) (*call.Event, error) {
	e := &call.Event{}
	e.Kind = k.kind
	var mos *float64
	for i := range k.set {
		a := &k.set[i]
		v := r.Eval(a.value)
		switch {
		case v == nil:
		case a.name == turnLatencies:
			l := expression.Latencies(v)
			e.TurnLatencyMs, e.TurnLatencyP95Ms, e.TurnLatencyMaxMs = l.Mean(), l.P95(), l.Longest()
			for i := range l[:min(len(l), call.MaxTurns)] {
				e.Turns = append(e.Turns, call.Turn{LatencyMs: &l[i]})
			}
		case a.name == "mos":
			if f, ok := expression.AsFloat(expression.Number(v)); ok {
				mos = &f
			}
		default:
			if !assign(e, a, v) && r.Noted {
				r.Notes = append(r.Notes, fmt.Sprintf("%s: %.80s", a.name, misfit(a, v)))
			}
		}
	}
	if e.CallID == "" {
		if e.CallID = b.CallID; e.CallID == "" {
			return nil, fmt.Errorf("%s without a callId", k.name)
		}
	}
	normalizer.AcceptMOS(e, mos, e.PacketsReceived)
	if k.intervals != nil || k.counters {
		k.count(r, e)
	}
	if k.turns != nil {
		e.Turns = k.turnsOf(r)
	}
	switch {
	case k.final != nil:
		e.Final = r.Holds(k.final)
	case e.Kind == call.Report:
		e.Final = b.Source == normalizer.Fetched || b.Source == normalizer.Imported
	default:
		e.Final = e.Kind == call.Ended && d.fetch == nil
	}
	if d.body.id != nil {
		if id, ok := expression.Text(r.Eval(d.body.id)).(string); ok && id != "" {
			e.ID = id
			if b.Source != normalizer.Pushed {
				e.ID = ""
			}
		}
	}
	root := n
	if d.body.raw != nil {
		if at := r.Node(d.body.raw); at.IsObject() {
			root = at
		}
	}
	e.Raw = normalizer.RawOf(root, d.body.without, nil)
	return e, nil
}

// assign gives a field a value, as its type takes it; false where it does not fit.
func assign(e *call.Event, a *assignment, v any) bool {
	switch a.field.Type {
	case call.Number:
		f, ok := expression.AsFloat(expression.Number(v))
		return ok && a.field.Set(e, f)
	case call.Integer:
		f, ok := expression.AsFloat(expression.Number(v))
		return ok && f > -(1<<53) && f < 1<<53 && a.field.Set(e, int64(f))
	case call.Bool:
		t, ok := expression.Truth(v).(bool)
		return ok && a.field.Set(e, t)
	case call.Time:
		t, ok := expression.Instant(v).(time.Time)
		return ok && a.field.Set(e, t)
	case call.Strings:
		return a.field.Set(e, textsOf(v))
	}
	s, ok := expression.Text(v).(string)
	if !ok {
		return false
	}
	if s == "" {
		return true
	}
	if len(a.field.Enum) > 0 {
		if s = expression.OneOf(a.field, s); s == "" {
			return false
		}
	}
	return a.field.Set(e, s)
}

func textsOf(v any) []string {
	if s, ok := expression.Text(v).(string); ok && s != "" {
		return []string{s}
	}
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := expression.Text(e).(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// misfit says why a value cannot be that of a field.
func misfit(a *assignment, v any) string {
	shown := string(expression.Encode(v))
	switch {
	case a.field.Type == call.Time:
		if _, ok := expression.AsFloat(expression.Number(v)); ok {
			return shown + " is a number: write unix(...) or unixMs(...)"
		}
		return shown + " is no time"
	case len(a.field.Enum) > 0:
		return shown + " is none of " + strings.Join(a.field.Enum, ", ")
	}
	return shown + " is no " + string(a.field.Type)
}

// turnsOf reads the turns of an event.
func (k *event) turnsOf(r *expression.Run) []call.Turn {
	var turns []call.Turn
	all := r.Node(k.turns.each).List()
	for _, part := range all[:min(len(all), call.MaxTurns)] {
		r.Roots["item"] = part
		r.Reset()
		var t call.Turn
		to := map[string]**float64{"sttMs": &t.STTMs, "llmMs": &t.LLMMs, "ttsMs": &t.TTSMs, "latencyMs": &t.LatencyMs}
		for i := range k.turns.set {
			a := &k.turns.set[i]
			if f, ok := expression.AsFloat(expression.Number(r.Eval(a.value))); ok {
				*to[a.name] = &f
			}
		}
		turns = append(turns, t)
	}
	r.Reset()
	return turns
}

// count reads the intervals and the cumulative counters of an event.
func (k *event) count(r *expression.Run, e *call.Event) {
	var c call.Counters
	var tally call.Tally
	var jitter, rtt normalizer.Mean
	c.Start = e.StartedAt
	if k.segment != nil {
		if f, ok := expression.AsFloat(expression.Number(r.Eval(k.segment))); ok {
			c.Segment = new(int64(f))
		}
	}
	if k.intervals == nil {
		reading := readingOf(e)
		if reading == (call.Reading{}) {
			return
		}
		if c.To = normalizer.FirstTime(e.OccurredAt, e.EndedAt); c.To.IsZero() {
			return
		}
		if c.From = normalizer.FirstTime(e.AnsweredAt, e.StartedAt); c.From.After(c.To) {
			c.From = time.Time{}
		}
		c.Begins = true
		tally.Add(reading)
		c.First = tally.Last()
	} else {
		parts := []lenient.Node{r.Roots["body"]}
		if k.intervals.each != nil {
			parts = r.Node(k.intervals.each).List()
			parts = parts[:min(len(parts), maxIntervals)]
		}
		counted := false
		for _, part := range parts {
			var own call.Event
			var iv call.Interval
			r.Roots["item"] = part
			r.Reset()
			for i := range k.intervals.set {
				a := &k.intervals.set[i]
				if v := r.Eval(a.value); v != nil {
					switch a.name {
					case "start":
						iv.Start, _ = expression.Instant(v).(time.Time)
					case "end":
						iv.End, _ = expression.Instant(v).(time.Time)
					case "mos":
						if f, ok := expression.AsFloat(expression.Number(v)); ok && f >= 1 && f <= 5 {
							iv.MOS = &f
						}
					default:
						assign(&own, a, v)
					}
				}
			}
			if iv.Start.IsZero() || iv.End.IsZero() || !iv.End.After(iv.Start) || iv.Start.Before(c.To) {
				continue
			}
			if c.From.IsZero() {
				c.From = iv.Start
				c.Begins = c.Segment != nil && *c.Segment == 0 || c.Segment == nil && (c.Start.IsZero() || !iv.Start.After(c.Start.Add(time.Second)))
			}
			c.To = iv.End
			reading := readingOf(&own)
			if k.counters {
				diff, _ := tally.Add(reading)
				if reading != (call.Reading{}) && !counted {
					c.First, c.Head, counted = tally.Last(), iv.Start, true
					if c.Begins {
						iv.Count(diff)
					}
				} else {
					iv.Count(diff)
				}
			} else {
				tally.Add(sum(tally.Last(), reading))
				iv.Count(reading)
			}
			iv.JitterMs, iv.RTTMs = jitter.Add(own.JitterMs), rtt.Add(own.RTTMs)
			iv.AudioLevel = own.AudioLevel
			if own.PacketLossPct != nil && iv.PacketLossPct == nil {
				iv.PacketLossPct = own.PacketLossPct
			}
			e.Intervals = append(e.Intervals, iv)
		}
		r.Reset()
		if e.JitterMs == nil {
			e.JitterMs, e.JitterMaxMs = jitter.Value(), jitter.Largest()
		}
		if e.RTTMs == nil {
			e.RTTMs, e.RTTMaxMs = rtt.Value(), rtt.Largest()
		}
	}
	c.Last, c.Sum, c.Resets = tally.Last(), tally.Sum(), tally.Resets
	if c.Sum == (call.Reading{}) {
		return
	}
	concealed, buffered, lossPct := e.ConcealedPct, e.JitterBufferMs, e.PacketLossPct
	if k.counters || e.PacketsReceived == nil && e.PacketsLost == nil {
		e.Total(c.Sum)
	}
	e.ConcealedPct, e.JitterBufferMs = concealed, buffered
	if e.PacketLossPct == nil {
		e.PacketLossPct = lossPct
	}
	if k.counters {
		e.Counters = &c
	}
}

// readingOf are the counters that an event sets.
func readingOf(e *call.Event) call.Reading {
	return call.Reading{
		PacketsReceived: e.PacketsReceived, PacketsLost: e.PacketsLost, PacketsSent: e.PacketsSent, PacketsDiscarded: e.PacketsDiscarded,
		BytesReceived: e.BytesReceived, BytesSent: e.BytesSent, RemoteLost: e.RemotePacketsLost,
	}
}

// sum is a reading and what was counted after it.
func sum(last, more call.Reading) call.Reading {
	add := func(a, b *int64) *int64 {
		if a == nil || b == nil {
			if b == nil {
				return a
			}
			return b
		}
		return new(*a + *b)
	}
	return call.Reading{
		PacketsReceived: add(last.PacketsReceived, more.PacketsReceived), PacketsLost: add(last.PacketsLost, more.PacketsLost),
		PacketsSent: add(last.PacketsSent, more.PacketsSent), PacketsDiscarded: add(last.PacketsDiscarded, more.PacketsDiscarded),
		BytesReceived: add(last.BytesReceived, more.BytesReceived), BytesSent: add(last.BytesSent, more.BytesSent),
		RemoteLost: add(last.RemoteLost, more.RemoteLost),
	}
}
