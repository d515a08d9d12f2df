package handlers_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// longName is an agent's name without a place to break a line, and with one that turns
// what follows around.
var longName = strings.Repeat("Appointment\u202ereminder_", 12)

// model answers what pages ask about many calls, from the office's events.
func (o *office) model() *backend.ReadModel {
	return &backend.ReadModel{
		Calls: func(ctx context.Context, q backend.CallQuery) (backend.CallPage, error) {
			return o.listCalls(ctx, q, "")
		},
		IncidentCalls: func(ctx context.Context, id string, q backend.CallQuery) (backend.CallPage, error) {
			return o.listCalls(ctx, q, id)
		},
		Stats: func(_ context.Context, q backend.StatsQuery) (backend.Stats, error) {
			rows := o.rows()
			s := backend.Stats{Since: q.Since, Until: q.Until, Total: figuresOf(rows, q.Since, q.Until)}
			if q.Compare {
				before := figuresOf(rows, q.Since.Add(-q.Until.Sub(q.Since)), q.Since)
				s.Before = &before
			}
			if q.Bucket > 0 {
				for at := q.Since; at.Before(q.Until); at = at.Add(q.Bucket) {
					s.Series = append(s.Series, backend.Point{At: at, Figures: figuresOf(rows, at, at.Add(q.Bucket))})
				}
			}
			if q.By != "" {
				grouped := map[[2]string][]backend.CallRow{}
				for _, r := range rows {
					k := [2]string{"", dimensionOf(&r, q.By)}
					if q.ByProvider {
						k[0] = r.Call.Provider
					}
					grouped[k] = append(grouped[k], r)
				}
				for k, rows := range grouped {
					if f := figuresOf(rows, q.Since, q.Until); f.Calls > 0 {
						s.Groups = append(s.Groups, backend.Group{Provider: k[0], Value: k[1], Figures: f})
					}
				}
			}
			return s, nil
		},
		Changes: func(_ context.Context, q backend.StatsQuery) (changes []backend.Change, err error) {
			rows := o.rows()
			for _, by := range []string{"region", "codec", "provider"} {
				grouped := map[string][]backend.CallRow{}
				for _, r := range rows {
					grouped[dimensionOf(&r, by)] = append(grouped[dimensionOf(&r, by)], r)
				}
				for value, rows := range grouped {
					now, before := figuresOf(rows, q.Since, q.Until), figuresOf(rows, q.Since.Add(-q.Until.Sub(q.Since)), q.Since)
					if value != "" && now.Bad.OfKnown != nil && before.Bad.OfKnown != nil {
						changes = append(changes, backend.Change{Dimension: by, Value: value, Now: now, Before: before, Lift: *now.Bad.OfKnown - *before.Bad.OfKnown})
					}
				}
			}
			slices.SortFunc(changes, func(a, b backend.Change) int {
				return cmp.Or(cmp.Compare(b.Lift, a.Lift), cmp.Compare(a.Value, b.Value))
			})
			return changes, nil
		},
		Contrast: func(_ context.Context, id string) (backend.Contrast, error) {
			page, err := o.listCalls(context.Background(), backend.CallQuery{Limit: 1000}, id)
			c := backend.Contrast{BadCalls: int64(len(page.Calls)), GoodCalls: 30}
			c.Bad, c.Good = figuresOf(page.Calls, time.Time{}, time.Now().Add(time.Hour)), figuresOf(o.rows(), time.Time{}, time.Now().Add(time.Hour))
			c.Differences = []backend.Difference{{Dimension: "codec", Value: "g729", Bad: 0.71, All: 0.12}, {Dimension: "region", Bad: 0.4, All: 0.3}, {Dimension: "agent", Value: longName, Bad: 0.3, All: 0.1}}
			return c, err
		},
		ModelStatus: func() backend.ModelStatus {
			return backend.ModelStatus{Event: 1_204_000, Bytes: 400 << 20, UpdatedAt: time.Now()}
		},
	}
}

// rows are all calls, newest first.
func (o *office) rows() []backend.CallRow {
	return look(o, func() (rows []backend.CallRow) {
		folded, first, count := map[call.Key]*call.Call{}, map[call.Key]time.Time{}, map[call.Key]int{}
		for _, e := range o.events {
			k := e.Event.Key()
			if folded[k] == nil {
				folded[k], first[k] = &call.Call{}, e.At
			}
			folded[k].Fold(&e.Event, "")
			count[k]++
		}
		for k, c := range folded {
			r := backend.CallRow{Call: c.Event, At: first[k], Events: count[k]}
			if !c.StartedAt.IsZero() {
				r.At = c.StartedAt
			}
			for _, in := range o.engine.Incidents() {
				if slices.ContainsFunc(append(slices.Clone(in.Samples), in.Opening, in.Latest, in.Worst), func(e rules.Evidence) bool { return e.Call.Key() == k }) {
					r.Incidents, r.Severity = append(r.Incidents, in.ID), in.Severity
				}
			}
			rows = append(rows, r)
		}
		slices.SortFunc(rows, func(a, b backend.CallRow) int {
			return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Call.CallID, b.Call.CallID))
		})
		return rows
	})
}

func (o *office) listCalls(_ context.Context, q backend.CallQuery, incident string) (page backend.CallPage, err error) {
	passes, err := o.filter(q.Filter)
	if err != nil {
		return page, err
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, q.Search)
	var found []backend.CallRow
	for i, r := range o.rows() {
		if q.Scanned != nil && q.Filter != "" && i%10 == 9 {
			time.Sleep(o.scanDelay)
			q.Scanned(backend.ScanProgress{Done: int64(i + 1), Total: 44})
		}
		hit := q.Search == "" || r.Call.CallID == q.Search || digits != "" && strings.HasSuffix(r.Call.To, digits) || strings.Contains(r.Call.AgentName, q.Search)
		in := incident == "" || slices.Contains(r.Incidents, incident)
		at := (q.Since.IsZero() || !r.At.Before(q.Since)) && (q.Until.IsZero() || r.At.Before(q.Until))
		if hit && in && at && passes(&r.Call) && (q.Severity == "" || q.Severity == r.Severity) {
			found = append(found, r)
		}
	}
	switch q.Sort {
	case "", "at":
	default:
		f, ok := call.Lookup(q.Sort)
		if !ok {
			return page, &backend.QueryError{Reason: "There is no column " + q.Sort + "."}
		}
		slices.SortStableFunc(found, func(a, b backend.CallRow) int {
			ka, kb := f.Known(&a.Call), f.Known(&b.Call)
			if ka != kb || !ka {
				return cmp.Compare(map[bool]int{true: 0, false: 1}[ka], map[bool]int{true: 0, false: 1}[kb])
			}
			x, okX := f.Value(&a.Call).(float64)
			y, okY := f.Value(&b.Call).(float64)
			n := 0
			if okX && okY {
				n = cmp.Compare(x, y)
			}
			if q.Desc {
				n = -n
			}
			return n
		})
	}
	from, _ := strconv.Atoi(q.Cursor)
	from = min(from, len(found))
	to := min(len(found), from+q.Limit)
	page.Calls = found[from:to]
	if to < len(found) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

func dimensionOf(r *backend.CallRow, by string) string {
	switch by {
	case "provider":
		return r.Call.Provider
	case "region":
		return r.Call.Region
	case "codec":
		return r.Call.Codec
	case "direction":
		return r.Call.Direction
	}
	return ""
}

func figuresOf(rows []backend.CallRow, since, until time.Time) (f backend.Figures) {
	var scores, loss, turns []float64
	for i := range rows {
		r := &rows[i]
		if r.At.Before(since) || !r.At.Before(until) {
			continue
		}
		f.Calls++
		e := &r.Call
		if e.MOS != nil {
			scores = append(scores, *e.MOS)
			f.Bad.Known++
			if *e.MOS < 3.5 {
				f.Bad.True++
			}
		}
		if e.Status == call.Failed {
			f.Failed.True++
		}
		if e.PacketLossPct != nil {
			loss = append(loss, *e.PacketLossPct)
		}
		if e.TurnLatencyMs != nil {
			turns = append(turns, *e.TurnLatencyMs)
		}
	}
	f.Answered = backend.Rate{True: f.Calls * 9 / 10, Known: f.Calls, Of: f.Calls}
	f.Failed.Known, f.Failed.Of, f.Bad.Of = f.Calls, f.Calls, f.Calls
	for _, r := range []*backend.Rate{&f.Answered, &f.Failed, &f.Bad} {
		if r.Known > 0 {
			r.OfKnown = new(float64(r.True) / float64(r.Known))
			r.Low, r.High = r.OfKnown, r.OfKnown
		}
	}
	f.MOS, f.LossPct, f.TurnMs = spread(scores), spread(loss), spread(turns)
	if f.Calls > 0 {
		f.Costs = []backend.Cost{{Currency: "USD", Sum: float64(f.Calls) * 0.013, Known: f.Calls * 2 / 3}}
	}
	return f
}

func spread(v []float64) backend.Distribution {
	d := backend.Distribution{Known: int64(len(v))}
	if len(v) == 0 {
		return d
	}
	slices.Sort(v)
	at := func(q float64) *float64 { return new(v[int(math.Round(q*float64(len(v)-1)))]) }
	d.Median, d.P5, d.P95 = at(0.5), at(0.05), at(0.95)
	return d
}
