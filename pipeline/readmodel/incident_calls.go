package readmodel

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel/figures"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
)

const (
	// longestCall is how long before its incident a call may have begun.
	longestCall = 4 * time.Hour
	// leastShare is how much larger the share of a value among an incident's calls is
	// than among all, for the value to be listed.
	leastShare      = 0.05
	mostDifferences = 20
)

// incident reads the last step of an incident; ErrNotFound.
func (m *Model) incident(ctx context.Context, id string) (*rules.Incident, error) {
	var seq uint64
	err := m.read(ctx, func(conn *sqlite3.Conn) error {
		return sqlitefile.Each(conn, "SELECT seq FROM steps WHERE incident = ? ORDER BY seq DESC LIMIT 1", []any{id}, func(s *sqlite3.Stmt) (bool, error) {
			seq = uint64(s.ColumnInt64(0)) //nolint:gosec // a sequence
			return false, nil
		})
	})
	if err != nil {
		return nil, err
	}
	if seq == 0 {
		return nil, backend.ErrNotFound
	}
	t, err := m.cfg.Store.TransitionAt(ctx, seq)
	if err != nil {
		return nil, err
	}
	i := readTransition(t)
	if i.parsed == nil || i.parsed.Incident.ID != id {
		return nil, backend.ErrNotFound
	}
	return &i.parsed.Incident, nil
}

// span is when the calls of an incident began, at the earliest and at the latest.
func span(in *rules.Incident, match *rules.Matching, now time.Time) (since, until time.Time) {
	since, until = in.OpenedAt.Add(-longestCall), now
	if match != nil {
		since = since.Add(-match.Before())
	}
	if !in.ResolvedAt.IsZero() {
		until = in.ResolvedAt
	}
	return since, until
}

// isOf reports whether a call is one of an incident that does not name it.
func isOf(in *rules.Incident, match *rules.Matching, e *call.Event) bool {
	return match != nil && (e.EndedAt.IsZero() || !e.EndedAt.Before(in.OpenedAt.Add(-match.Before()))) && match.Holds(e)
}

func (m *Model) matching(in *rules.Incident) *rules.Matching {
	if m.cfg.Rules == nil {
		return nil
	}
	set := m.cfg.Rules()
	if set == nil {
		return nil
	}
	return set.Matching(in)
}

// IncidentCalls lists the calls of an incident.
func (m *Model) IncidentCalls(ctx context.Context, id string, q backend.CallQuery) (backend.CallPage, error) {
	in, err := m.incident(ctx, id)
	if err != nil {
		return backend.CallPage{}, err
	}
	s, err := checked(q)
	if err != nil {
		return backend.CallPage{}, err
	}
	match := m.matching(in)
	since, until := span(in, match, time.Now())
	from, _ := schema.Nanoseconds(since)
	to, _ := schema.Nanoseconds(until)
	s.add(`(c.at >= ? AND c.at <= ? OR c.seq IN `+namedCalls+`)`, from, to, id)
	if match != nil {
		s.reads = schema.With(s.reads, match.Fields())
	}
	s.choose = func(e *call.Event, named bool) bool { return named || isOf(in, match, e) }
	s.namedBy = id
	return m.list(ctx, s)
}

// namedCalls are the calls that an incident names.
const namedCalls = `(SELECT k.seq FROM named n JOIN calls k ON k."callId" = n."callId" AND k.provider = n.provider AND ifnull(k.account, '') = n.account WHERE n.incident = ?)`

// Contrast compares the calls of an incident with all calls of its time.
func (m *Model) Contrast(ctx context.Context, id string) (backend.Contrast, error) {
	in, err := m.incident(ctx, id)
	if err != nil {
		return backend.Contrast{}, err
	}
	match := m.matching(in)
	out := backend.Contrast{Differences: []backend.Difference{}}
	out.Since, out.Until = span(in, match, time.Now().UTC())
	type value struct {
		dim  int
		text string
	}
	bad, all := map[value]int64{}, map[value]int64{}
	var ofBad, ofGood figures.Cell
	err = m.read(ctx, func(conn *sqlite3.Conn) error {
		out.Building = m.unfinished()
		s := &selection{}
		if match != nil {
			s.reads = schema.With(s.reads, match.Fields())
		}
		s.reads = schema.With(s.reads, figures.Fields())
		sql := "SELECT c.seq IN " + namedCalls
		for _, c := range s.reads {
			sql += ", c." + c.SQL
		}
		from, _ := schema.Nanoseconds(out.Since)
		to, _ := schema.Nanoseconds(out.Until)
		return sqlitefile.Each(conn, sql+" FROM calls c WHERE c.at >= ? AND c.at <= ?", []any{id, from, to}, func(stmt *sqlite3.Stmt) (bool, error) {
			var row backend.CallRow
			for i := range s.reads {
				s.reads[i].Read(stmt, 1+i, &row.Call)
			}
			of := stmt.ColumnBool(0) || isOf(in, match, &row.Call)
			values := figures.Values(&row)
			values[0] = row.Call.Provider
			for dim, text := range values {
				all[value{dim, text}]++
				if of {
					bad[value{dim, text}]++
				}
			}
			one := figures.ShareOf(&row)
			if of {
				out.BadCalls++
				ofBad.Add(&one, 1)
			} else {
				out.GoodCalls++
				ofGood.Add(&one, 1)
			}
			return true, nil
		})
	})
	out.Bad, out.Good = ofBad.Figures(), ofGood.Figures()
	if err != nil || out.BadCalls == 0 {
		return out, err
	}
	for v, n := range bad {
		d := backend.Difference{
			Dimension: backend.Dimensions()[v.dim], Value: v.text, BadCalls: n, AllCalls: all[v],
			Bad: float64(n) / float64(out.BadCalls), All: float64(all[v]) / float64(out.BadCalls+out.GoodCalls),
		}
		if v.text != "" && d.Bad-d.All >= leastShare {
			out.Differences = append(out.Differences, d)
		}
	}
	slices.SortFunc(out.Differences, func(a, b backend.Difference) int {
		return cmp.Or(cmp.Compare(b.Bad-b.All, a.Bad-a.All), cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Value, b.Value))
	})
	out.Differences = out.Differences[:min(len(out.Differences), mostDifferences)]
	return out, nil
}
