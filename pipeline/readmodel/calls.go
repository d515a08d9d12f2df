package readmodel

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
	"callwatch/yamlfile/spelling"
)

const (
	pageCalls = 50
	mostCalls = 1000 // of one page

	// scanTime is how long one page looks at calls; the next one goes on.
	scanTime   = 5 * time.Second
	reportEach = 200 * time.Millisecond
	maxFilter  = 4096 // bytes
)

// cursor is where a page ends.
type cursor struct {
	Query uint32 `json:"q"`           // digest of what it is a page of
	Value any    `json:"v,omitempty"` // of the sort column; absent where that is unknown
	Seq   int64  `json:"s"`
}

func (c cursor) String() string {
	b, _ := json.Marshal(c) // numbers and texts have a JSON form
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(text string, query uint32) (c cursor, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		err = d.Decode(&c)
	}
	switch v := c.Value.(type) {
	case json.Number:
		if n, bad := v.Int64(); bad == nil {
			c.Value = n
		} else if c.Value, bad = v.Float64(); bad != nil {
			err = bad
		}
	case nil, string:
	default:
		err = fmt.Errorf("a value of type %T", v)
	}
	if err != nil {
		return c, &backend.QueryError{Reason: "the cursor cannot be read: use next of the page before"}
	}
	if c.Query != query {
		return c, &backend.QueryError{Reason: "the cursor is of another query: use it with the search, filter and sort of the page before"}
	}
	return c, nil
}

// selection is a query of calls, checked.
type selection struct {
	backend.CallQuery
	filter *rules.Filter   // nil: none, or all of it is part of the conditions
	reads  []schema.Column // by the filter
	sort   string          // column
	desc   bool
	limit  int
	digest uint32
	start  *cursor

	where []string
	args  []any
	few   bool // what was searched is found by an index of its own

	// choose, if set, judges calls in Go; named says that the incident namedBy names it.
	choose  func(e *call.Event, named bool) bool
	namedBy string
}

// scans reports whether calls are looked at one by one.
func (s *selection) scans() bool { return s.filter != nil || s.choose != nil }

// checked reads a query. What is wrong with it are rules.Problems or a QueryError.
func checked(q backend.CallQuery) (*selection, error) {
	s := &selection{CallQuery: q, sort: "c.at", desc: true, limit: min(cmp.Or(max(q.Limit, 0), pageCalls), mostCalls)}
	if q.Sort != "" {
		var ok bool
		if s.sort, ok = sortColumn(q.Sort); !ok {
			return nil, &backend.QueryError{Reason: fmt.Sprintf("calls cannot be sorted by %.40q: name a field, at or severity%s", q.Sort, meant(q.Sort, sortable()))}
		}
		s.desc = q.Desc
	}
	s.Search = strings.TrimSpace(q.Search)
	if len(s.Search) > maxSearch {
		return nil, &backend.QueryError{Reason: fmt.Sprintf("the search has more than %d bytes", maxSearch)}
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%q %q %q %q %q %t %d %d", s.Search, q.Filter, q.Account, q.Severity, q.Sort, q.Desc, q.Since.UnixNano(), q.Until.UnixNano())
	s.digest = h.Sum32()
	if q.Cursor != "" {
		c, err := parseCursor(q.Cursor, s.digest)
		if err != nil {
			return nil, err
		}
		s.start = &c
	}
	return s, s.conditions()
}

func (s *selection) conditions() error {
	s.bound(s.Since, s.Until)
	if s.Account != "" {
		s.add("c.account = ?", s.Account)
	}
	if s.Severity != "" {
		if s.Severity.Rank() == 0 {
			return &backend.QueryError{Reason: fmt.Sprintf("severity is %.40q, not critical, warning or info", s.Severity)}
		}
		s.add("c.severity = ?", s.Severity.Rank())
	}
	return s.filtered(s.Filter)
}

func (s *selection) bound(since, until time.Time) {
	if !since.IsZero() {
		s.add("c.at >= ?", within(since))
	}
	if !until.IsZero() {
		s.add("c.at < ?", within(until))
	}
}

// within is a time in nanoseconds; what an integer does not hold is its first or last.
func within(t time.Time) int64 {
	n, ok := schema.Nanoseconds(t)
	switch {
	case ok:
		return n
	case t.Year() < 1700:
		return math.MinInt64
	}
	return math.MaxInt64
}

func (s *selection) add(where string, args ...any) {
	s.where, s.args = append(s.where, where), append(s.args, args...)
}

// filtered adds a filter: as a condition of the database as far as that can be.
func (s *selection) filtered(expr string) error {
	if expr == "" {
		return nil
	}
	filter, problems := rules.ParseFilter(expr)
	if problems.Errors() {
		return problems
	}
	for _, name := range filter.Fields() {
		c, ok := schema.Find(name)
		if !ok {
			return &backend.QueryError{Reason: "the filter reads " + name + ", which is not part of the list of calls: a call's page and the events have it"}
		}
		s.reads = append(s.reads, c)
	}
	w := filter.Where(func(f *call.Field) (string, bool) {
		c, ok := schema.Find(f.Name)
		return "c." + c.SQL, ok
	})
	if w.SQL != "" {
		s.add("("+w.SQL+")", w.Args...)
	}
	if !w.Exact {
		s.filter = filter
	}
	return nil
}

// Calls lists calls.
func (m *Model) Calls(ctx context.Context, q backend.CallQuery) (backend.CallPage, error) {
	s, err := checked(q)
	if err != nil {
		return backend.CallPage{}, err
	}
	return m.list(ctx, s)
}

func (m *Model) list(ctx context.Context, s *selection) (page backend.CallPage, err error) {
	page.Calls = []backend.CallRow{}
	err = m.read(ctx, func(conn *sqlite3.Conn) error {
		// One transaction: rows are read as they were found.
		if err := conn.Exec("BEGIN"); err != nil {
			return err
		}
		page.Building = m.unfinished()
		defer func() {
			conn.SetInterrupt(context.Background())
			_ = conn.Exec("ROLLBACK")
		}()
		if s.Search != "" {
			where, args, few, err := search(conn, s.Search)
			if err != nil {
				return err
			}
			s.few = few
			s.add(where, args...)
		}
		if err := s.plan(conn); err != nil {
			return err
		}
		l := lister{selection: s, conn: conn, page: &page, begun: time.Now()}
		return l.run()
	})
	return page, err
}

// mostByTime is up to how many calls of a range are looked at to find those with the
// lowest MOS, rather than looking for calls of the range from the lowest MOS on.
const mostByTime = 20_000

// plan keeps the database from going through the calls by time where that is slow: it
// does not know how many there are.
func (s *selection) plan(conn *sqlite3.Conn) error {
	if s.Since.IsZero() && s.Until.IsZero() {
		return nil
	}
	if s.few {
		s.otherwise()
		return nil
	}
	if s.sort != "c.mos" {
		return nil
	}
	r := &selection{}
	r.bound(s.Since, s.Until)
	n := 0
	err := sqlitefile.Each(conn, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM calls c%s LIMIT %d)", whereOf(r.where), mostByTime), r.args, func(st *sqlite3.Stmt) (bool, error) {
		n = st.ColumnInt(0)
		return false, nil
	})
	if n == mostByTime {
		s.otherwise()
	}
	return err
}

// otherwise keeps the index of times from being used.
func (s *selection) otherwise() {
	for i, w := range s.where {
		if strings.HasPrefix(w, "c.at ") {
			s.where[i] = "+" + w
		}
	}
	if s.sort == "c.at" {
		s.sort = "+c.at"
	}
}

// lister fills a page.
type lister struct {
	*selection
	conn     *sqlite3.Conn
	page     *backend.CallPage
	row      *sqlite3.Stmt
	event    call.Event // the one that take looks at
	begun    time.Time
	reported time.Time
	sent     int   // rows that Scanned had
	total    int64 // calls to look at
	full     bool
}

func (l *lister) run() (err error) {
	if l.row, _, err = l.conn.Prepare("SELECT " + schema.Selected() + " FROM calls c WHERE c.seq = ?"); err != nil {
		return err
	}
	defer l.row.Close() //nolint:errcheck // it has the error of the last step
	if l.scans() && l.Scanned != nil {
		if err := l.count(); err != nil {
			return err
		}
	}
	unknown := l.sort != "c.at" && l.sort != "+c.at" && l.sort != "c.severity" // calls that do not know the column come last
	if l.start == nil || l.start.Value != nil {
		if err := l.part(true); err != nil || l.full {
			return err
		}
	}
	if unknown {
		if err := l.part(false); err != nil {
			return err
		}
	}
	if !l.full {
		l.page.Next = ""
	}
	l.report(true)
	return nil
}

// count is how many calls a scan looks at.
func (l *lister) count() error {
	return sqlitefile.Each(l.conn, "SELECT count(*) FROM calls c"+whereOf(l.where), l.args, func(s *sqlite3.Stmt) (bool, error) {
		l.total = s.ColumnInt64(0)
		return false, nil
	})
}

func whereOf(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// part lists the calls that know the sort column, or those that do not.
func (l *lister) part(known bool) error {
	where, args := slices.Clone(l.where), slices.Clone(l.args)
	compare, direction := ">", " ASC"
	if l.desc {
		compare, direction = "<", " DESC"
	}
	order := l.sort + direction + ", c.seq" + direction
	switch {
	case !known:
		where, order = append(where, l.sort+" IS NULL"), "c.seq"+direction
		if l.start != nil && l.start.Value == nil {
			where, args = append(where, "c.seq "+compare+" ?"), append(args, l.start.Seq)
		}
	default:
		where = append(where, l.sort+" IS NOT NULL")
		if l.start != nil {
			where, args = append(where, "("+l.sort+", c.seq) "+compare+" (?, ?)"), append(args, l.start.Value, l.start.Seq)
		}
	}
	columns, named := "c.seq, "+l.sort+", ", "0"
	if l.namedBy != "" {
		named, args = "c.seq IN "+namedCalls, append([]any{l.namedBy}, args...)
	}
	columns += named
	for _, c := range l.reads {
		columns += ", c." + c.SQL
	}
	sql := "SELECT " + columns + " FROM calls c" + whereOf(where) + " ORDER BY " + order
	if !l.scans() {
		sql += fmt.Sprintf(" LIMIT %d", l.limit+1-len(l.page.Calls))
	}
	return sqlitefile.Each(l.conn, sql, args, func(s *sqlite3.Stmt) (bool, error) { return l.take(s, known) })
}

// take looks at one call.
func (l *lister) take(s *sqlite3.Stmt, known bool) (more bool, err error) {
	if len(l.page.Calls) == l.limit {
		l.full = true
		return false, nil
	}
	seq := s.ColumnInt64(0)
	passes := true
	if l.scans() {
		l.page.Scanned++
		l.event = call.Event{}
		for i := range l.reads {
			l.reads[i].Read(s, 3+i, &l.event)
		}
		passes = (l.filter == nil || l.filter.Holds(&l.event) == rules.True) && (l.choose == nil || l.choose(&l.event, s.ColumnBool(2)))
	}
	if passes {
		if err := sqlitefile.Bind(l.row, seq); err != nil {
			return false, err
		}
		if l.row.Step() {
			_, row, _ := schema.ReadCall(l.row)
			l.page.Calls = append(l.page.Calls, row)
		}
		if err := l.row.Reset(); err != nil {
			return false, err
		}
	}
	if !l.scans() && len(l.page.Calls) < l.limit {
		return true, nil
	}
	late := l.page.Scanned%256 == 0 && l.scans() && time.Since(l.begun) > scanTime
	if passes || late {
		c := cursor{Query: l.digest, Seq: seq}
		if known {
			c.Value = valueOf(s, 1)
		}
		l.page.Next = c.String()
	}
	if late {
		l.full, l.page.Incomplete = true, true
		return false, nil
	}
	l.report(false)
	return true, nil
}

// report tells how far a scan has come.
func (l *lister) report(last bool) {
	if l.Scanned == nil || !l.scans() || !last && l.page.Scanned%256 != 0 {
		return
	}
	if now := time.Now(); last || now.Sub(l.reported) >= reportEach {
		l.reported = now
		l.Scanned(backend.ScanProgress{Done: l.page.Scanned, Total: l.total, Found: l.page.Calls[l.sent:]})
		l.sent = len(l.page.Calls)
	}
}

func valueOf(s *sqlite3.Stmt, at int) any {
	switch s.ColumnType(at) {
	case sqlite3.INTEGER:
		return s.ColumnInt64(at)
	case sqlite3.FLOAT:
		return s.ColumnFloat(at)
	case sqlite3.TEXT:
		return s.ColumnText(at)
	default:
		return nil
	}
}

// Call is the row of one call, by its id or one of its further ids; ErrNotFound.
func (m *Model) Call(ctx context.Context, k call.Key) (row backend.CallRow, seqs []uint64, err error) {
	err = m.read(ctx, func(conn *sqlite3.Conn) error {
		for _, where := range []string{
			schema.SameCall, "c.seq IN (SELECT call FROM aliases WHERE alias = ?) AND provider = ? AND ifnull(account, '') = ?",
		} {
			err := sqlitefile.Each(conn, "SELECT "+schema.Selected()+" FROM calls c WHERE "+where+" LIMIT 1", schema.KeyArgs(k), func(s *sqlite3.Stmt) (bool, error) {
				_, r, events := schema.ReadCall(s)
				row, seqs = r, schema.Sequences(events)
				return false, nil
			})
			if err != nil || len(seqs) > 0 {
				return err
			}
		}
		return backend.ErrNotFound
	})
	return row, seqs, err
}

// sortColumn is the column of a name by which lists are sorted.
func sortColumn(name string) (string, bool) {
	if name == "at" || name == "severity" {
		return "c." + name, true
	}
	c, ok := schema.Find(name)
	return "c." + c.SQL, ok && c.Type != call.Strings
}

// sortable are the names by which calls can be sorted.
func sortable() []string {
	names := []string{"at", "severity"}
	for _, f := range call.Fields() {
		if _, ok := sortColumn(f.Name); ok {
			names = append(names, f.Name)
		}
	}
	return names
}

// meant is a hint for a mistyped word; "" for none.
func meant(word string, known []string) string {
	if near := spelling.Nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
