package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/handlers/backend"
	"callwatch/rules"
)

const (
	mostGroups  = 200
	mostBuckets = 2000
	longest     = 400 * 24 * time.Hour

	// shortRange is up to where figures are computed from calls, to the second, and
	// not from hours.
	shortRange = 6 * time.Hour

	// leastMeasured is how many measured calls a value needs in both periods to be
	// listed as a change.
	leastMeasured = 20
	mostChanges   = 50
)

// table adds up figures by group and time.
type table struct {
	q     backend.StatsQuery
	dim   int
	since time.Time
	until time.Time
	width time.Duration // of the bucket; 0: no series

	groups map[groupKey]*sums
	total  sums
}

type groupKey struct{ provider, value string }

// sums are the figures of a group: of the range, of the one before, and of buckets.
type sums struct {
	now, before cell
	buckets     []cell
}

// Stats are figures of the calls of a time range.
func (m *Model) Stats(ctx context.Context, q backend.StatsQuery) (backend.Stats, error) {
	t, err := newTable(q, time.Now())
	if err != nil {
		return backend.Stats{}, err
	}
	return m.stats(ctx, t)
}

func newTable(q backend.StatsQuery, now time.Time) (*table, error) {
	t := &table{q: q, since: q.Since.UTC(), until: q.Until.UTC(), width: q.Bucket, groups: map[groupKey]*sums{}}
	if q.Until.IsZero() {
		t.until = now.UTC()
	}
	if q.Since.IsZero() {
		t.since = t.until.Add(-24 * time.Hour)
	}
	if t.dim = slices.Index(dimensionNames(), cmp.Or(q.By, "provider")); t.dim < 0 {
		return nil, &backend.QueryError{Reason: fmt.Sprintf("figures are not grouped by %.40q; dimensions are %s%s", q.By, strings.Join(dimensionNames(), ", "), meant(q.By, dimensionNames()))}
	}
	switch span := t.until.Sub(t.since); {
	case span <= 0:
		return nil, &backend.QueryError{Reason: "since is not before until"}
	case span > longest:
		return nil, &backend.QueryError{Reason: fmt.Sprintf("the range is longer than %d days", longest/(24*time.Hour))}
	case t.width < 0 || t.width > 0 && t.width < time.Second:
		return nil, &backend.QueryError{Reason: "the bucket is shorter than a second"}
	case t.width > 0 && span/t.width > mostBuckets:
		return nil, &backend.QueryError{Reason: fmt.Sprintf("the range has more than %d buckets", mostBuckets)}
	}
	return t, nil
}

// fromHours reports whether the figures of hours answer the query.
func (t *table) fromHours() bool {
	aligned := t.since.Truncate(time.Hour).Equal(t.since) && t.until.Truncate(time.Hour).Equal(t.until)
	return t.q.Filter == "" && t.q.Account == "" && t.width%time.Hour == 0 && (aligned || t.until.Sub(t.since) > shortRange)
}

func (m *Model) stats(ctx context.Context, t *table) (backend.Stats, error) {
	read, source := t.readCalls, "calls"
	if t.fromHours() {
		read, source = t.readHours, "rollups"
		t.since = t.since.Truncate(time.Hour)
		if up := t.until.Truncate(time.Hour); up.Before(t.until) {
			t.until = up.Add(time.Hour)
		}
	}
	if t.width > 0 {
		t.total.buckets = make([]cell, (t.until.Sub(t.since)+t.width-1)/t.width)
	}
	building := false
	err := m.read(ctx, func(conn *sqlite3.Conn) error {
		building = m.unfinished()
		return read(conn)
	})
	if err != nil {
		return backend.Stats{}, err
	}
	s := t.result(source)
	s.Building = building
	return s, nil
}

// from is the beginning of what is read.
func (t *table) from() time.Time {
	if t.q.Compare {
		return t.since.Add(-t.until.Sub(t.since))
	}
	return t.since
}

// group is where the figures of a call belong.
func (t *table) group(provider, value string) *sums {
	if t.q.By == "" {
		return nil
	}
	k := groupKey{value: value}
	if t.q.By == "provider" {
		k.value = provider
	} else if t.q.ByProvider {
		k.provider = provider
	}
	g := t.groups[k]
	if g == nil {
		g = &sums{}
		t.groups[k] = g
	}
	return g
}

func (t *table) readHours(conn *sqlite3.Conn) error {
	since := hourOf(t.since)
	sql, args := "SELECT hour, provider, value, cell FROM hours WHERE dim = ? AND hour >= ? AND hour < ?", []any{t.dim, hourOf(t.from()), hourOf(t.until)}
	if t.q.Provider != "" {
		sql, args = sql+" AND provider = ?", append(args, t.q.Provider)
	}
	err := each(conn, sql, args, func(s *sqlite3.Stmt) (bool, error) {
		hour, packed := s.ColumnInt64(0), s.ColumnRawBlob(3)
		sum := t.group(s.ColumnText(1), s.ColumnText(2))
		if sum == nil {
			sum = &t.total
		}
		to := []*cell{&sum.now}
		if hour < since {
			to[0] = &sum.before
		} else if t.width > 0 {
			to = append(to, &t.total.buckets[time.Duration(hour-since)*time.Hour/t.width])
		}
		for _, c := range to {
			if err := c.mergePacked(packed, t.q.CountsOnly); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	for _, g := range t.groups {
		t.total.now.merge(&g.now)
		t.total.before.merge(&g.before)
	}
	return err
}

// figureFields are the fields that figures and dimensions are computed from.
func figureFields() []string {
	return []string{
		"provider", "account", "region", "agentName", "agentId", "direction", "codec", "fromCountry", "toCountry", "final", "endedAt", "answered", "status",
		"mos", "packetLossPct", "jitterMs", "turnLatencyMs", "durationSec", "cost", "costCurrency",
	}
}

// readCalls computes the figures from rows.
func (t *table) readCalls(conn *sqlite3.Conn) error {
	s := &selection{}
	s.bound(t.from(), t.until)
	if t.q.Provider != "" {
		s.add("c.provider = ?", t.q.Provider)
	}
	if t.q.Account != "" {
		s.add("c.account = ?", t.q.Account)
	}
	if err := s.filtered(t.q.Filter); err != nil {
		return err
	}
	reads := s.reads
	if s.filter == nil {
		reads = nil
	}
	for _, name := range figureFields() {
		if !slices.ContainsFunc(reads, func(c column) bool { return c.Name == name }) {
			i := slices.IndexFunc(fieldColumns(), func(c column) bool { return c.Name == name })
			reads = append(reads, fieldColumns()[i])
		}
	}
	sql := "SELECT c.at, c.incidents IS NOT NULL"
	for _, c := range reads {
		sql += ", c." + c.name
	}
	return each(conn, sql+" FROM calls c"+whereOf(s.where), s.args, func(stmt *sqlite3.Stmt) (bool, error) {
		row := backend.CallRow{At: time.Unix(0, stmt.ColumnInt64(0)).UTC()}
		if stmt.ColumnBool(1) {
			row.Incidents = []string{""}
		}
		for i := range reads {
			readField(stmt, 2+i, &reads[i], &row.Call)
		}
		if s.filter == nil || s.filter.Holds(&row.Call) == rules.True {
			t.add(&row)
		}
		return true, nil
	})
}

func (t *table) add(row *backend.CallRow) {
	group, one := t.group(row.Call.Provider, valuesOf(row)[t.dim]), shareOf(row)
	for _, sum := range []*sums{&t.total, group} {
		switch {
		case sum == nil:
		case row.At.Before(t.since):
			sum.before.add(&one, 1)
		default:
			sum.now.add(&one, 1)
		}
	}
	if t.width > 0 && !row.At.Before(t.since) {
		t.total.buckets[row.At.Sub(t.since)/t.width].add(&one, 1)
	}
}

func (t *table) result(source string) backend.Stats {
	out := backend.Stats{Since: t.since, Until: t.until, Bucket: t.width, Source: source, Total: t.total.now.figures()}
	compared := func(s *sums) *backend.Figures {
		if !t.q.Compare {
			return nil
		}
		return new(s.before.figures())
	}
	out.Before = compared(&t.total)
	for i := range t.total.buckets {
		out.Series = append(out.Series, backend.Point{At: t.since.Add(time.Duration(i) * t.width), Figures: t.total.buckets[i].figures()})
	}
	for k, sum := range t.groups {
		out.Groups = append(out.Groups, backend.Group{Provider: k.provider, Value: k.value, Figures: sum.now.figures(), Before: compared(sum)})
	}
	slices.SortFunc(out.Groups, func(a, b backend.Group) int {
		return cmp.Or(cmp.Compare(b.Figures.Calls, a.Figures.Calls), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Value, b.Value))
	})
	if out.Omitted = max(0, len(out.Groups)-mostGroups); out.Omitted > 0 {
		out.Groups = out.Groups[:mostGroups]
	}
	return out
}

// Changes are the values of which the share of bad calls rose most.
func (m *Model) Changes(ctx context.Context, q backend.StatsQuery) ([]backend.Change, error) {
	changes := []backend.Change{}
	for _, dim := range dimensionNames() {
		q.By, q.Compare, q.Bucket, q.ByProvider, q.CountsOnly = dim, true, 0, false, true
		t, err := newTable(q, time.Now())
		if err != nil {
			return nil, err
		}
		s, err := m.stats(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, g := range s.Groups {
			now, before := g.Figures.Bad, g.Before.Bad
			if g.Value == "" || now.Known < leastMeasured || before.Known < leastMeasured {
				continue
			}
			if lift := *now.OfKnown - *before.OfKnown; lift > 0 {
				changes = append(changes, backend.Change{Dimension: dim, Value: g.Value, Now: g.Figures, Before: *g.Before, Lift: lift})
			}
		}
	}
	slices.SortFunc(changes, func(a, b backend.Change) int {
		return cmp.Or(cmp.Compare(b.Lift, a.Lift), cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Value, b.Value))
	})
	return changes[:min(len(changes), mostChanges)], nil
}
