package schema

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

// Nanoseconds is a time as it is stored; false if it is unknown or outside of what
// an integer holds.
func Nanoseconds(t time.Time) (int64, bool) {
	if t.IsZero() || t.Year() < 1700 || t.Year() > 2250 {
		return 0, false
	}
	return t.UnixNano(), true
}

// exactInteger clamps n to what a float64 holds exactly, as conditions see it.
func exactInteger(n int64) int64 {
	const most = 1 << 53
	return max(min(n, most), -most)
}

// binder binds values to a statement, one after the other, and keeps the first error.
type binder struct {
	stmt *sqlite3.Stmt
	set  []bool // by parameter: it is not NULL before
	n    int
	err  error
}

func (b *binder) null() {
	if b.set[b.n] {
		b.done(false, b.stmt.BindNull(b.n))
	}
}

func (b *binder) done(set bool, err error) {
	b.err = cmp.Or(b.err, err)
	b.set[b.n] = set
}

func (b *binder) integer(v int64) {
	b.n++
	b.done(true, b.stmt.BindInt64(b.n, v))
}

// text binds a text, NULL if it is empty.
func (b *binder) text(v string) {
	if b.n++; v == "" {
		b.null()
		return
	}
	b.done(true, b.stmt.BindText(b.n, v))
}

func (b *binder) blob(v []byte) {
	b.n++
	b.done(true, b.stmt.BindBlob(b.n, v))
}

// field binds a field of a call, NULL if it is unknown.
func (b *binder) field(c *Column, e *call.Event) {
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
		if n, ok := Nanoseconds(c.Time(e)); ok {
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

// ReadCall reads the columns of Selected, from the first on.
func ReadCall(stmt *sqlite3.Stmt) (seq uint64, row backend.CallRow, events []byte) {
	seq = uint64(stmt.ColumnInt64(0)) //nolint:gosec // a sequence
	row.At = time.Unix(0, stmt.ColumnInt64(1)).UTC()
	row.Severity = SeverityOf(stmt.ColumnInt(2))
	row.Incidents = texts(stmt.ColumnRawText(3))
	events = stmt.ColumnRawBlob(4)
	row.Events = countSequences(events)
	columns := fieldColumns()
	for i := range columns {
		columns[i].Read(stmt, 5+i, &row.Call)
	}
	row.Account = row.Call.Account
	return seq, row, events
}

// Read reads the column of a statement that holds the field; NULL leaves the call as it is.
func (c *Column) Read(stmt *sqlite3.Stmt, at int, e *call.Event) {
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

// SeverityOf is the severity of a rank; "" for 0.
func SeverityOf(n int) rules.Severity {
	for _, s := range rules.Severities() {
		if s.Rank() == n {
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

// Sequences unpacks the sequences of the events of a call; what cannot be read ends the list.
func Sequences(b []byte) (seqs []uint64) {
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
