package readmodel

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel/figures"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
)

const (
	// leastMeasured is how many measured calls a value needs in both periods to be
	// listed as a change.
	leastMeasured = 20
	mostChanges   = 50
)

// Stats are figures of the calls of a time range.
func (m *Model) Stats(ctx context.Context, q backend.StatsQuery) (backend.Stats, error) {
	t, err := figures.NewTable(q, time.Now())
	if err != nil {
		return backend.Stats{}, err
	}
	building := false
	err = m.read(ctx, func(conn *sqlite3.Conn) error {
		building = m.unfinished()
		if t.FromHours() {
			return readHours(conn, q, t)
		}
		return readCalls(conn, q, t)
	})
	if err != nil {
		return backend.Stats{}, err
	}
	s := t.Stats()
	s.Building = building
	return s, nil
}

// readHours adds up the figures of hours.
func readHours(conn *sqlite3.Conn, q backend.StatsQuery, t *figures.Table) error {
	from, until := t.Reads()
	sql, args := "SELECT hour, provider, value, cell FROM hours WHERE dim = ? AND hour >= ? AND hour < ?", []any{t.Dimension(), figures.HourOf(from), figures.HourOf(until)}
	if q.Provider != "" {
		sql, args = sql+" AND provider = ?", append(args, q.Provider)
	}
	return sqlitefile.Each(conn, sql, args, func(s *sqlite3.Stmt) (bool, error) {
		return true, t.AddHour(s.ColumnInt64(0), s.ColumnText(1), s.ColumnText(2), s.ColumnRawBlob(3))
	})
}

// readCalls adds up the figures of rows.
func readCalls(conn *sqlite3.Conn, q backend.StatsQuery, t *figures.Table) error {
	s := &selection{}
	s.bound(t.Reads())
	if q.Provider != "" {
		s.add("c.provider = ?", q.Provider)
	}
	if q.Account != "" {
		s.add("c.account = ?", q.Account)
	}
	if err := s.filtered(q.Filter); err != nil {
		return err
	}
	reads := s.reads
	if s.filter == nil {
		reads = nil
	}
	reads = schema.With(reads, figures.Fields())
	sql := "SELECT c.at, c.incidents IS NOT NULL"
	for _, c := range reads {
		sql += ", c." + c.SQL
	}
	return sqlitefile.Each(conn, sql+" FROM calls c"+whereOf(s.where), s.args, func(stmt *sqlite3.Stmt) (bool, error) {
		row := backend.CallRow{At: time.Unix(0, stmt.ColumnInt64(0)).UTC()}
		if stmt.ColumnBool(1) {
			row.Incidents = []string{""}
		}
		for i := range reads {
			reads[i].Read(stmt, 2+i, &row.Call)
		}
		if s.filter == nil || s.filter.Holds(&row.Call) == rules.True {
			t.Add(&row)
		}
		return true, nil
	})
}

// Changes are the values of which the share of bad calls rose most.
func (m *Model) Changes(ctx context.Context, q backend.StatsQuery) ([]backend.Change, error) {
	changes := []backend.Change{}
	for _, dim := range backend.Dimensions() {
		q.By, q.Compare, q.Bucket, q.ByProvider, q.CountsOnly = dim, true, 0, false, true
		s, err := m.Stats(ctx, q)
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
