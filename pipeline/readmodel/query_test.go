package readmodel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

var allCalls = backend.CallQuery{Limit: mostCalls}

// verify reads the whole file, so that damage is found.
func (w *world) verify(m *Model) error {
	return m.read(w.t.Context(), func(c *sqlite3.Conn) error {
		return sqlitefile.Each(c, "PRAGMA integrity_check", nil, func(*sqlite3.Stmt) (bool, error) { return true, nil })
	})
}

// pages lists all calls of a query, page by page.
func pages(t *testing.T, m *Model, q backend.CallQuery) []backend.CallRow {
	t.Helper()
	var all []backend.CallRow
	for range 10_000 {
		p, err := m.Calls(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		all = append(all, p.Calls...)
		if p.Next == "" {
			return all
		}
		q.Cursor = p.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func ids(rows []backend.CallRow) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Call.Provider+"/"+r.Call.CallID)
	}
	return out
}

// A filter chooses the calls that it holds for when it is judged in Go; a part of it
// that the database does not know, and unknown facts, change nothing. The order and the
// pages are those of a plain sort.
func TestFiltersAreThoseOfRules(t *testing.T) {
	w := newWorld(t, 3)
	w.publish(900, 150)
	for range 10 {
		w.alert(150)
	}
	m := w.model("m")
	w.run(m, func() {
		w.current(m)
		every := pages(t, m, allCalls)
		if len(every) < 100 {
			t.Fatalf("%d calls", len(every))
		}
		filters := []string{
			"", "mos < 3.5", "!(mos < 3.5)", "mos == nil", "mos != nil && packetLossPct > 5", "mos < 2 || packetLossPct > 5",
			"not (mos < 2 || packetLossPct > 5)", `region == "eu"`, `region != "eu"`, `region in ["eu", "süd"]`, `not (region in ["eu"])`,
			"sipCode in 400..499", "answered", "!answered", "answered == false", "final", `agentName contains "nn"`, `from startsWith "+1415"`,
			`agentName endsWith "2"`, `agentName matches "^A"`, "(mos ?? 5) < 3", `"a" in tags`, "packetsLost > 50 || mos < 3.5",
			"packetsLost / sipCode > 0.1 || mos < 2", `mos < 3 ? answered : region == "eu"`, "len(tags) == 2", `startedAt < date("2026-11-02")`,
			"cost * 100 > 50 && mos < 4", `lower(agentName) == "anna"`, "durationSec > 100 && durationSec <= 200", `status == "failed" && !(mos >= 4)`,
			`agentName == "Bob's"`, `kind == "ended"`, "shortCall", `mos > packetLossPct`, "true", "false", "packetsLost == 0 && false", `fromCountry == nil or toCountry == "DE"`,
		}
		sorts := []string{"", "at", "mos", "agentName", "severity", "packetsLost", "startedAt", "answered"}
		for i, filter := range filters {
			q := backend.CallQuery{Filter: filter, Sort: sorts[i%len(sorts)], Desc: i%2 == 0, Limit: 7 + i}
			var want []backend.CallRow
			f := mustFilter(t, filter)
			for _, row := range every {
				if f == nil || f.Holds(&row.Call) == rules.True {
					want = append(want, row)
				}
			}
			got := pages(t, m, q)
			equal := gocmp.Diff(sorted(ids(want)), sorted(ids(got)))
			if !slices.IsSortedFunc(got, func(a, b backend.CallRow) int { return plainOrder(&a, &b, q) }) {
				t.Errorf("%q sorted by %s: not in order", filter, q.Sort)
			}
			if equal != "" {
				t.Errorf("%q sorted by %s (-plain +model):\n%s", filter, q.Sort, equal)
			}
			if n := len(want); (n == 0 || n == len(every)) && filter != "" && filter != "true" && filter != "false" && !strings.Contains(filter, "&& false") {
				t.Errorf("%q chooses %d of %d calls: it tests nothing", filter, n, len(every))
			}
		}
		since, until := every[len(every)/2].At, every[len(every)/4].At
		for _, row := range pages(t, m, backend.CallQuery{Since: since, Until: until}) {
			if row.At.Before(since) || !row.At.Before(until) {
				t.Errorf("a call of %s is not in the range", row.At)
			}
		}
		early, late := time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, q := range []backend.CallQuery{{Since: late}, {Until: early}} {
			if rows := pages(t, m, q); len(rows) > 0 {
				t.Errorf("since %s until %s: %d calls, want none", q.Since, q.Until, len(rows))
			}
		}
		if rows := pages(t, m, backend.CallQuery{Since: early, Until: late}); len(rows) != len(every) {
			t.Errorf("within all of time %d calls, want %d", len(rows), len(every))
		}
	})
}

func mustFilter(t *testing.T, expr string) *rules.Filter {
	t.Helper()
	if expr == "" {
		return nil
	}
	f, problems := rules.ParseFilter(expr)
	if problems.Errors() {
		t.Fatalf("%s: %v", expr, problems)
	}
	return f
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// plainOrder compares two calls as a query sorts them.
func plainOrder(a, b *backend.CallRow, q backend.CallQuery) int {
	value := func(r *backend.CallRow) any {
		switch q.Sort {
		case "", "at":
			return r.At
		case "severity":
			return float64(r.Severity.Rank())
		}
		f, _ := call.Lookup(q.Sort)
		switch v := f.Value(&r.Call).(type) {
		case int64:
			return float64(v)
		case bool:
			return map[bool]float64{true: 1}[v]
		default:
			return v
		}
	}
	x, y := value(a), value(b)
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	var c int
	switch x := x.(type) {
	case time.Time:
		c = x.Compare(y.(time.Time))
	case string:
		c = cmp.Compare(x, y.(string))
	case float64:
		c = cmp.Compare(x, y.(float64))
	}
	if q.Desc || q.Sort == "" {
		return -c
	}
	return c
}

// A call is found by its id, its further ids, its session, the beginning of its id, a
// number in any spelling, and its agent.
func TestSearch(t *testing.T) {
	w := newWorld(t, 5)
	w.publish(600, 100)
	m := w.model("m")
	w.run(m, func() {
		w.current(m)
		every := pages(t, m, allCalls)
		find := func(has func(e *call.Event) bool) backend.CallRow {
			for _, row := range every {
				if has(&row.Call) {
					return row
				}
			}
			t.Fatal("no such call")
			return backend.CallRow{}
		}
		check := func(text string, has func(e *call.Event) bool) {
			t.Helper()
			var want []string
			for _, row := range every {
				if has(&row.Call) {
					want = append(want, row.Call.Provider+"/"+row.Call.CallID)
				}
			}
			if len(want) == 0 {
				t.Errorf("%q: nothing to be found", text)
			}
			got := ids(pages(t, m, backend.CallQuery{Search: text, Limit: 3}))
			if diff := gocmp.Diff(sorted(want), sorted(got)); diff != "" {
				t.Errorf("search %q (-plain +model):\n%s", text, diff)
			}
		}
		any := find(func(e *call.Event) bool { return len(e.Aliases) > 0 && e.SessionID != "" })
		check(any.Call.CallID, func(e *call.Event) bool { return e.CallID == any.Call.CallID })
		check("call-0000", func(e *call.Event) bool { return strings.HasPrefix(e.CallID, "call-0000") })
		check(any.Call.Aliases[0], func(e *call.Event) bool { return slices.Contains(e.Aliases, any.Call.Aliases[0]) })
		check(any.Call.SessionID, func(e *call.Event) bool { return e.SessionID == any.Call.SessionID })
		check("ANNA", func(e *call.Event) bool { return strings.Contains(strings.ToLower(e.AgentName), "anna") })
		check("bob's", func(e *call.Event) bool { return e.AgentName == "Bob's" })
		us := find(func(e *call.Event) bool { return strings.HasPrefix(e.From, "+1415") }).Call.From // +1415555nnnn
		of := func(e *call.Event) bool { return e.From == us }
		d := us[2:]
		for _, text := range []string{
			us, us[1:], "00" + us[1:], d, fmt.Sprintf("+1 %s %s %s", d[:3], d[3:6], d[6:]), fmt.Sprintf("(%s) %s-%s", d[:3], d[3:6], d[6:]),
			fmt.Sprintf("%s.%s.%s", d[:3], d[3:6], d[6:]), "0" + d, "  " + us + " ", "+1 (0) " + d,
		} {
			check(text, of)
		}
		end := us[len(us)-4:]
		check(end, func(e *call.Event) bool {
			return strings.HasSuffix(e.From, end) || strings.HasSuffix(e.To, end)
		})
		check("0199", func(e *call.Event) bool { return strings.Contains(e.To, "0199") || strings.HasSuffix(e.From, "0199") })
		for _, nothing := range []string{"no such call", "%", "_", `"`, "'", "+999999999999"} {
			if got := pages(t, m, backend.CallQuery{Search: nothing}); len(got) > 0 && nothing != "'" {
				t.Errorf("search %q finds %d calls", nothing, len(got))
			}
		}
	})
}

// What is wrong with a query is told, and costs nothing.
func TestQueriesThatAreRefused(t *testing.T) {
	w := newWorld(t, 6)
	w.publish(50, 10)
	m := w.model("m")
	w.run(m, func() {
		w.current(m)
		first, err := m.Calls(t.Context(), backend.CallQuery{Limit: 1})
		if err != nil || first.Next == "" {
			t.Fatal(first, err)
		}
		for name, q := range map[string]backend.CallQuery{
			"sort": {Sort: "raw"}, "list": {Sort: "tags"}, "injection": {Sort: `mos"; DROP TABLE calls; --`}, "severity": {Severity: "bad"},
			"cursor": {Cursor: "x"}, "cursor of another query": {Cursor: first.Next, Filter: "mos < 3"}, "raw": {Filter: "raw.x == 1"},
			"intervals": {Filter: "any(intervals, .mos < 3)"}, "long search": {Search: strings.Repeat("x", 201)},
		} {
			var wrong *backend.QueryError
			if _, err := m.Calls(t.Context(), q); !errors.As(err, &wrong) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var problems rules.Problems
		if _, err := m.Calls(t.Context(), backend.CallQuery{Filter: "mos <"}); !errors.As(err, &problems) {
			t.Errorf("a filter that cannot be read: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := m.Calls(gone, backend.CallQuery{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a reader who left: %v", err)
		}
	})
	if _, err := m.Calls(t.Context(), backend.CallQuery{}); !errors.Is(err, backend.ErrIndexing) {
		t.Errorf("a model that does not run: %v", err)
	}
}

// A model of an empty store is current once it can be asked.
func TestCurrentOfAnEmptyStore(t *testing.T) {
	w := newWorld(t, 9)
	for i := range 20 {
		m := w.model(strconv.Itoa(i))
		ctx, stop := context.WithCancel(t.Context())
		current := make(chan error, 1)
		go func() { current <- m.Current(ctx) }()
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		if err := <-current; err != nil {
			t.Fatal(err)
		}
		if _, err := m.Calls(t.Context(), backend.CallQuery{}); err != nil {
			t.Errorf("run %d: %v", i, err)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// Figures from hours and from rows are those that plain addition gives.
func TestStats(t *testing.T) {
	w := newWorld(t, 8)
	w.publish(900, 150)
	for range 10 {
		w.alert(150)
	}
	m := w.model("m")
	w.run(m, func() {
		w.current(m)
		every := pages(t, m, allCalls)
		since := time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC)
		until := since.Add(24 * time.Hour)
		for _, by := range append([]string{""}, backend.Dimensions()...) {
			q := backend.StatsQuery{Since: since, Until: until, By: by, ByProvider: by == "region", Bucket: 2 * time.Hour, Compare: true}
			hours, err := m.Stats(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			q.Filter = "true"
			calls, err := m.Stats(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if hours.Source != "rollups" || calls.Source != "calls" {
				t.Errorf("sources %s and %s", hours.Source, calls.Source)
			}
			calls.Source = hours.Source
			if diff := gocmp.Diff(calls, hours); diff != "" {
				t.Errorf("by %q (-calls +rollups):\n%s", by, diff)
			}
			var in, before int64
			var mos []float64
			for _, row := range every {
				switch {
				case !row.At.Before(since) && row.At.Before(until):
					in++
					if row.Call.MOS != nil {
						mos = append(mos, *row.Call.MOS)
					}
				case !row.At.Before(since.Add(-24*time.Hour)) && row.At.Before(since):
					before++
				}
			}
			slices.Sort(mos)
			f := hours.Total
			if f.Calls != in || hours.Before.Calls != before || f.MOS.Known != int64(len(mos)) || in < 20 {
				t.Errorf("%d calls, %d before, %d with mos; want %d, %d, %d", f.Calls, hours.Before.Calls, f.MOS.Known, in, before, len(mos))
			}
			if median := mos[(len(mos)+1)/2-1]; math.Abs(*f.MOS.Median-median) > 0.02*median {
				t.Errorf("median %v, want %v", *f.MOS.Median, median)
			}
			if r := f.Bad; *r.Low != *r.OfKnown || *r.High != *r.OfKnown || *r.OfKnown != float64(r.True)/float64(r.Known) || r.Known == r.Of {
				t.Errorf("share of bad calls %+v", r)
			}
			// The share is what rate(mos < 3.5) of a rule over these calls would be.
			judged := map[rules.Truth]int64{}
			low := mustFilter(t, "mos < 3.5")
			for _, row := range every {
				if !row.At.Before(since) && row.At.Before(until) && (row.Call.Answered == nil || *row.Call.Answered) {
					judged[low.Holds(&row.Call)]++
				}
			}
			if r := f.Bad; r.True != judged[rules.True] || r.Known != judged[rules.True]+judged[rules.False] {
				t.Errorf("bad calls %+v, judged by the rule %v", r, judged)
			}
			var points, groups int64
			for _, p := range hours.Series {
				points += p.Figures.Calls
			}
			for _, g := range hours.Groups {
				groups += g.Figures.Calls
			}
			if points != in || by != "" && groups != in {
				t.Errorf("by %q: %d calls in the series, %d in the groups, want %d", by, points, groups, in)
			}
		}
	})
}

// The calls of an incident are those that it names and those of its time that meet its
// rule; both sides of the contrast are counted, and what differs is named.
func TestIncidentCalls(t *testing.T) {
	w := newWorld(t, 11)
	now := time.Now().UTC()
	set, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - name: low\n    when: mos < 3\n    by: [provider]\n"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	at := func(n int, mos float64, codec string) call.Event {
		e := call.Event{Identity: call.Identity{ID: fmt.Sprint("x", n), Provider: "acme", CallID: fmt.Sprintf("x-%d", n), Kind: call.Ended, OccurredAt: now}}
		e.StartedAt, e.EndedAt, e.Final, e.Status, e.MOS, e.Codec = now.Add(-time.Minute), now, true, call.Completed, &mos, codec
		return e
	}
	var events []call.Event
	for n := range 40 {
		if n%4 == 0 {
			events = append(events, at(n, 2, "g729"))
		} else {
			events = append(events, at(n, 4.2, "opus"))
		}
	}
	w.keep(events...)
	in := rules.Incident{
		ID: "inc_low", Rule: "low", Severity: rules.Warning, By: []rules.Label{{Name: "provider", Value: "acme"}},
		OpenedAt: now.Add(-time.Second), Opening: rules.Evidence{Call: events[1]}, // named, though it is good
	}
	data, err := json.Marshal(&rules.Transition{Step: rules.StepOpened, At: now, Incident: in})
	if err == nil {
		_, err = w.store.PutTransition(t.Context(), "low", "acme", stream.Cause{Seq: 1}, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := w.model("m")
	m.cfg.Rules = func() *rules.Set { return set }
	w.run(m, func() {
		w.current(m)
		page, err := m.IncidentCalls(t.Context(), in.ID, backend.CallQuery{Limit: 100})
		if err != nil || len(page.Calls) != 11 {
			t.Errorf("%d calls of the incident, want 11: %v", len(page.Calls), err)
		}
		if _, err := m.IncidentCalls(t.Context(), "inc_none", backend.CallQuery{}); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("an unknown incident: %v", err)
		}
		c, err := m.Contrast(t.Context(), in.ID)
		if err != nil || c.BadCalls != 11 || c.GoodCalls != 29 || c.Bad.Calls != 11 || c.Good.Calls != 29 {
			t.Fatalf("contrast %+v, %v", c, err)
		}
		if bad, good := *c.Bad.MOS.Median, *c.Good.MOS.Median; math.Abs(bad-2) > 0.05 || math.Abs(good-4.2) > 0.1 {
			t.Errorf("median MOS %v and %v", bad, good)
		}
		if len(c.Differences) != 1 || c.Differences[0].Value != "g729" || c.Differences[0].BadCalls != 10 || c.Differences[0].AllCalls != 10 {
			t.Errorf("differences %+v", c.Differences)
		}
	})
}
