package figures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"callwatch/handlers/backend"
	"callwatch/yamlfile/spelling"
)

const (
	mostGroups  = 200
	mostBuckets = 2000
	longest     = 400 * 24 * time.Hour

	// shortRange is up to where figures are computed from calls, to the second, and
	// not from hours.
	shortRange = 6 * time.Hour
)

// Table adds up the figures that a query asks for, by group and time.
type Table struct {
	q     backend.StatsQuery
	dim   int
	since time.Time
	until time.Time
	width time.Duration // of the bucket; 0: no series
	hours bool          // it is made of hours, not of calls

	groups map[groupKey]*sums
	total  sums
}

type groupKey struct{ provider, value string }

// sums are the figures of a group: of the range, of the one before, and of buckets.
type sums struct {
	now, before Cell
	buckets     []Cell
}

// NewTable makes the table of a query. The error is a QueryError. A query that figures
// of hours can answer is widened to whole hours.
func NewTable(q backend.StatsQuery, now time.Time) (*Table, error) {
	t := &Table{q: q, since: q.Since.UTC(), until: q.Until.UTC(), width: q.Bucket, groups: map[groupKey]*sums{}}
	if q.Until.IsZero() {
		t.until = now.UTC()
	}
	if q.Since.IsZero() {
		t.since = t.until.Add(-24 * time.Hour)
	}
	names := backend.Dimensions()
	if t.dim = slices.Index(names, cmp.Or(q.By, "provider")); t.dim < 0 {
		reason := fmt.Sprintf("figures are not grouped by %.40q; dimensions are %s", q.By, strings.Join(names, ", "))
		if near := spelling.Nearest(q.By, names); near != "" {
			reason += "; did you mean " + near + "?"
		}
		return nil, &backend.QueryError{Reason: reason}
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
	if t.hours = t.answeredByHours(); t.hours {
		t.since = t.since.Truncate(time.Hour)
		if up := t.until.Truncate(time.Hour); up.Before(t.until) {
			t.until = up.Add(time.Hour)
		}
	}
	if t.width > 0 {
		t.total.buckets = make([]Cell, (t.until.Sub(t.since)+t.width-1)/t.width)
	}
	return t, nil
}

// answeredByHours reports whether the figures of hours answer the query.
func (t *Table) answeredByHours() bool {
	aligned := t.since.Truncate(time.Hour).Equal(t.since) && t.until.Truncate(time.Hour).Equal(t.until)
	return t.q.Filter == "" && t.q.Account == "" && t.width%time.Hour == 0 && (aligned || t.until.Sub(t.since) > shortRange)
}

// FromHours reports whether the table is made with AddHour, else it is with Add.
func (t *Table) FromHours() bool { return t.hours }

// Dimension is the number of the query's dimension in backend.Dimensions.
func (t *Table) Dimension() int { return t.dim }

// Reads is the time of which calls are added: that of the query and, to compare, as
// long a time before it.
func (t *Table) Reads() (since, until time.Time) {
	if t.q.Compare {
		return t.since.Add(-t.until.Sub(t.since)), t.until
	}
	return t.since, t.until
}

// group is where the figures of a call belong.
func (t *Table) group(provider, value string) *sums {
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

// AddHour adds the packed figures of an hour.
func (t *Table) AddHour(hour int64, provider, value string, packed []byte) error {
	sum := t.group(provider, value)
	if sum == nil {
		sum = &t.total
	}
	since := HourOf(t.since)
	to := []*Cell{&sum.now}
	if hour < since {
		to[0] = &sum.before
	} else if t.width > 0 {
		to = append(to, &t.total.buckets[time.Duration(hour-since)*time.Hour/t.width])
	}
	for _, c := range to {
		if err := c.MergePacked(packed, t.q.CountsOnly); err != nil {
			return err
		}
	}
	return nil
}

// Add adds a call.
func (t *Table) Add(row *backend.CallRow) {
	group, one := t.group(row.Call.Provider, Values(row)[t.dim]), ShareOf(row)
	for _, sum := range []*sums{&t.total, group} {
		switch {
		case sum == nil:
		case row.At.Before(t.since):
			sum.before.Add(&one, 1)
		default:
			sum.now.Add(&one, 1)
		}
	}
	if t.width > 0 && !row.At.Before(t.since) {
		t.total.buckets[row.At.Sub(t.since)/t.width].Add(&one, 1)
	}
}

// Stats are the figures of what was added. It is called once.
func (t *Table) Stats() backend.Stats {
	source := "calls"
	if t.hours {
		source = "rollups"
		for _, g := range t.groups {
			t.total.now.Merge(&g.now)
			t.total.before.Merge(&g.before)
		}
	}
	out := backend.Stats{Since: t.since, Until: t.until, Bucket: t.width, Source: source, Total: t.total.now.Figures()}
	compared := func(s *sums) *backend.Figures {
		if !t.q.Compare {
			return nil
		}
		return new(s.before.Figures())
	}
	out.Before = compared(&t.total)
	for i := range t.total.buckets {
		out.Series = append(out.Series, backend.Point{At: t.since.Add(time.Duration(i) * t.width), Figures: t.total.buckets[i].Figures()})
	}
	for k, sum := range t.groups {
		out.Groups = append(out.Groups, backend.Group{Provider: k.provider, Value: k.value, Figures: sum.now.Figures(), Before: compared(sum)})
	}
	slices.SortFunc(out.Groups, func(a, b backend.Group) int {
		return cmp.Or(cmp.Compare(b.Figures.Calls, a.Figures.Calls), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Value, b.Value))
	})
	if out.Omitted = max(0, len(out.Groups)-mostGroups); out.Omitted > 0 {
		out.Groups = out.Groups[:mostGroups]
	}
	return out
}
