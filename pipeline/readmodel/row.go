package readmodel

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// oldest is how long before callwatch heard of a call it may have begun: a start
// before that is a wrong clock.
const oldest = 31 * 24 * time.Hour

// beganAt is when a call began: its start, unless that is not known or cannot be.
func beganAt(e *call.Event, first time.Time) time.Time {
	for _, t := range []time.Time{e.StartedAt, e.RingingAt, e.AnsweredAt} {
		if !t.IsZero() && !t.After(first) && first.Sub(t) <= oldest {
			return t.UTC()
		}
	}
	return first.UTC()
}

// nanoseconds is a time as it is stored; false if it is unknown or outside of what
// an integer holds.
func nanoseconds(t time.Time) (int64, bool) {
	if t.IsZero() || t.Year() < 1700 || t.Year() > 2250 {
		return 0, false
	}
	return t.UnixNano(), true
}

// exactInteger is a whole number as conditions see it: a float64.
func exactInteger(n int64) int64 {
	const most = 1 << 53
	return max(min(n, most), -most)
}

// binder binds values to a statement, one after the other, and keeps the first error.
type binder struct {
	stmt *sqlite3.Stmt
	set  []bool // by parameter: it is not NULL before; nil: not known
	n    int
	err  error
}

func bind(stmt *sqlite3.Stmt, values ...any) error {
	b := binder{stmt: stmt}
	for _, v := range values {
		b.value(v)
	}
	return b.err
}

func (b *binder) null() {
	if b.set == nil || b.set[b.n] {
		b.done(false, b.stmt.BindNull(b.n))
	}
}

func (b *binder) done(set bool, err error) {
	b.err = cmp.Or(b.err, err)
	if b.set != nil {
		b.set[b.n] = set
	}
}

func (b *binder) value(v any) {
	b.n++
	switch v := v.(type) {
	case nil:
		b.null()
	case int64:
		b.done(true, b.stmt.BindInt64(b.n, v))
	case uint64:
		b.done(true, b.stmt.BindInt64(b.n, int64(v))) //nolint:gosec // sequences
	case int:
		b.done(true, b.stmt.BindInt64(b.n, int64(v)))
	case float64:
		b.done(true, b.stmt.BindFloat(b.n, v))
	case string:
		b.done(true, b.stmt.BindText(b.n, v))
	case []byte:
		b.done(true, b.stmt.BindBlob(b.n, v))
	}
}

// field binds a field of a call, NULL if it is unknown.
func (b *binder) field(c *column, e *call.Event) {
	b.n++
	switch c.Type {
	case call.Number:
		if n, ok := c.Number(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			b.done(true, b.stmt.BindFloat(b.n, n))
			return
		}
	case call.Integer:
		if n, ok := c.Value(e).(int64); ok {
			b.done(true, b.stmt.BindInt64(b.n, exactInteger(n)))
			return
		}
	case call.Bool:
		if v, ok := c.Truth(e); ok {
			b.done(true, b.stmt.BindBool(b.n, v))
			return
		}
	case call.Time:
		if n, ok := nanoseconds(c.Time(e)); ok {
			b.done(true, b.stmt.BindInt64(b.n, n))
			return
		}
	case call.Strings:
		if texts := c.Texts(e); len(texts) > 0 {
			text, _ := json.Marshal(texts) // texts have a JSON form
			b.done(true, b.stmt.BindText(b.n, string(text)))
			return
		}
	default:
		if s, ok := c.Text(e); ok {
			b.done(true, b.stmt.BindText(b.n, s))
			return
		}
	}
	b.null()
}

// readRow reads the columns of selected, from the first on.
func readRow(stmt *sqlite3.Stmt) (seq uint64, row backend.CallRow, events []byte) {
	seq = uint64(stmt.ColumnInt64(0)) //nolint:gosec // a sequence
	row.At = time.Unix(0, stmt.ColumnInt64(1)).UTC()
	row.Severity = severityOf(stmt.ColumnInt(2))
	row.Incidents = texts(stmt.ColumnRawText(3))
	events = stmt.ColumnRawBlob(4)
	row.Events = countSequences(events)
	columns := fieldColumns()
	for i := range columns {
		readField(stmt, 5+i, &columns[i], &row.Call)
	}
	row.Account = row.Call.Account
	return seq, row, events
}

func readField(stmt *sqlite3.Stmt, at int, c *column, e *call.Event) {
	if stmt.ColumnType(at) == sqlite3.NULL {
		return
	}
	switch c.Type {
	case call.Number:
		c.Set(e, stmt.ColumnFloat(at))
	case call.Integer:
		c.Set(e, stmt.ColumnInt64(at))
	case call.Bool:
		c.Set(e, stmt.ColumnBool(at))
	case call.Time:
		c.Set(e, time.Unix(0, stmt.ColumnInt64(at)).UTC())
	case call.Strings:
		c.Set(e, texts(stmt.ColumnRawText(at)))
	default:
		c.Set(e, stmt.ColumnText(at))
	}
}

// texts reads a list of texts; nil if it is none.
func texts(data []byte) (list []string) {
	if len(data) > 0 && json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

// rank orders severities in the file: 0 for none.
func rank(s rules.Severity) int {
	switch s {
	case rules.Critical:
		return 3
	case rules.Warning:
		return 2
	case rules.Info:
		return 1
	default:
		return 0
	}
}

func severityOf(n int) rules.Severity {
	for _, s := range rules.Severities() {
		if rank(s) == n {
			return s
		}
	}
	return ""
}

// packSequences packs sequences in ascending order.
func packSequences(seqs []uint64) []byte {
	var b []byte
	var before uint64
	for _, s := range seqs {
		b = binary.AppendUvarint(b, s-before)
		before = s
	}
	return b
}

// unpackSequences is the inverse of packSequences; what cannot be read ends the list.
func unpackSequences(b []byte) (seqs []uint64) {
	var before uint64
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return seqs
		}
		before, b = before+d, b[n:]
		seqs = append(seqs, before)
	}
	return seqs
}

// countSequences is the number of packed sequences.
func countSequences(b []byte) (n int) {
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}
