package schema

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/handlers/backend"
)

// Writer writes rows of calls with prepared statements.
type Writer struct {
	Prepared func(sql string) (*sqlite3.Stmt, error) // the same statement for the same SQL

	set map[string][]bool // by statement: which of its parameters are not NULL
}

// Insert adds the row of a call: row, the sequences of its events and when the first of
// them counts.
func (w *Writer) Insert(row *backend.CallRow, seqs []uint64, first time.Time) error {
	return w.write(insertSQL(), row, seqs, first)
}

// Update is Insert for a call whose row is there. The first event is the same as before.
func (w *Writer) Update(row *backend.CallRow, seqs []uint64, first time.Time) error {
	return w.write(updateSQL(), row, seqs, first)
}

// SetIncidents changes what a row says of the incidents of its call; seq is that of the
// call's first event.
func (w *Writer) SetIncidents(row *backend.CallRow, seq uint64) error {
	const sql = "UPDATE calls SET severity = ?, incidents = ? WHERE seq = ?"
	b, err := w.bind(sql, 3)
	if err != nil {
		return err
	}
	b.integer(int64(row.Severity.Rank()))
	b.text(listText(row.Incidents))
	b.integer(int64(seq)) //nolint:gosec // a sequence
	return b.run()
}

func (w *Writer) bind(sql string, parameters int) (*binder, error) {
	s, err := w.Prepared(sql)
	if w.set == nil {
		w.set = map[string][]bool{}
	}
	if w.set[sql] == nil {
		w.set[sql] = make([]bool, parameters+1)
	}
	return &binder{stmt: s, set: w.set[sql]}, err
}

func (w *Writer) write(sql string, row *backend.CallRow, seqs []uint64, first time.Time) error {
	b, err := w.bind(sql, len(rowColumns()))
	if err != nil {
		return err
	}
	at, _ := Nanoseconds(row.At)
	from, _ := Nanoseconds(first)
	// In the order of ownColumns.
	b.integer(int64(seqs[0]))           //nolint:gosec // a sequence
	b.integer(int64(seqs[len(seqs)-1])) //nolint:gosec // a sequence
	b.integer(at)
	b.integer(from)
	b.integer(int64(row.Severity.Rank()))
	b.text(listText(row.Incidents))
	b.blob(packSequences(seqs))
	b.text(reversedDigits(row.Call.From))
	b.text(reversedDigits(row.Call.To))
	columns := fieldColumns()
	for i := range columns {
		b.field(&columns[i], &row.Call)
	}
	return b.run()
}

// run runs the statement, which has no rows.
func (b *binder) run() error {
	if b.err != nil {
		return b.err
	}
	b.stmt.Step()
	return b.stmt.Reset()
}

// listText is a list of texts as it is stored, "" if it is empty.
func listText(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, _ := json.Marshal(list) // texts have a JSON form
	return string(text)
}

// insertSQL and updateSQL write a row of calls. Both take the same values: those of
// ownColumns, then the fields.
var insertSQL = sync.OnceValue(func() string {
	names, places := []string{}, []string{}
	for i, name := range rowColumns() {
		names, places = append(names, name), append(places, "?"+strconv.Itoa(i+1))
	}
	return "INSERT INTO calls (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
})

var updateSQL = sync.OnceValue(func() string {
	var sets []string
	for i, name := range rowColumns() {
		if name == "seq" || name == quoted("provider") || name == quoted("account") || name == quoted("callId") {
			continue // they name the call
		}
		sets = append(sets, name+" = ?"+strconv.Itoa(i+1))
	}
	return "UPDATE calls SET " + strings.Join(sets, ", ") + " WHERE seq = ?1"
})

func rowColumns() []string {
	names := ownColumns()
	for _, c := range fieldColumns() {
		names = append(names, c.SQL)
	}
	return names
}
