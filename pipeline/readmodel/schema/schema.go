// Package schema is the tables of the read model's file, and how a call is a row of
// one: what a row holds, how it is written and read back. It queries nothing.
package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel/figures"
)

// number changes with the meaning of a table; a file of another version is
// built again.
const number = 3

// Column is a column of the table calls that holds a field of the call.
type Column struct {
	call.Field
	SQL string // its name, quoted
}

// fieldColumns are the fields of a call that a row holds, in the order of the field
// table: all but intervals and the members of raw.
var fieldColumns = sync.OnceValue(func() []Column {
	var out []Column
	for _, f := range call.Fields() {
		if f.Type != call.List && f.Type != call.Object {
			out = append(out, Column{f, quoted(f.Name)})
		}
	}
	return out
})

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Find is the column of a field; false if it has none: a list, or a member of raw.
func Find(name string) (Column, bool) {
	i := slices.IndexFunc(fieldColumns(), func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return fieldColumns()[i], true
}

// With adds the columns of further fields, less those that have none.
func With(columns []Column, names []string) []Column {
	for _, name := range names {
		if slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }) {
			continue
		}
		if c, ok := Find(name); ok {
			columns = append(columns, c)
		}
	}
	return columns
}

func (c Column) sqlType() string {
	switch c.Type {
	case call.Number:
		return "REAL"
	case call.Integer, call.Bool, call.Time:
		return "INTEGER"
	default:
		return "TEXT"
	}
}

// ownColumns are the columns of calls before those of the fields.
//
//	seq       sequence of the first event of the call in EVENTS
//	last      sequence of its last event
//	at        CallRow.At, nanoseconds of the Unix epoch
//	first     when its first event counts, nanoseconds
//	severity  rank of its worst incident, 0 for none
//	events    sequences of its events: varints, each less the one before
//	fromEnd   digits of its from, the last one first; NULL for what is no number
//	toEnd     the same of its to
func ownColumns() []string {
	return []string{"seq", "last", "at", "first", "severity", "incidents", "events", "fromEnd", "toEnd"}
}

const otherTables = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE corrections (of TEXT PRIMARY KEY, raw TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE aliases (alias TEXT NOT NULL, call INTEGER NOT NULL);
CREATE TABLE steps (seq INTEGER PRIMARY KEY, incident TEXT NOT NULL, rule TEXT NOT NULL, key TEXT NOT NULL, step TEXT NOT NULL,
	severity INTEGER NOT NULL, at INTEGER NOT NULL, opened INTEGER NOT NULL, resolved INTEGER);
CREATE INDEX steps_incident ON steps (incident, seq);
CREATE TABLE named (callId TEXT, provider TEXT, account TEXT, incident TEXT, severity INTEGER NOT NULL, seq INTEGER NOT NULL,
	PRIMARY KEY (callId, provider, account, incident)) WITHOUT ROWID;
CREATE INDEX named_incident ON named (incident);
CREATE TABLE hours (dim INTEGER, hour INTEGER, provider TEXT, value TEXT, cell BLOB NOT NULL,
	PRIMARY KEY (dim, hour, provider, value)) WITHOUT ROWID;
`

// Indexes are the statements that make the indexes. That is done once the calls are
// there: filling a table in order is several times as fast without.
const Indexes = `
CREATE INDEX calls_id ON calls ("callId", provider);
CREATE INDEX calls_at ON calls (at);
CREATE INDEX calls_agent ON calls ("agentName", at) WHERE "agentName" IS NOT NULL;
CREATE INDEX calls_mos ON calls (mos, at) WHERE mos IS NOT NULL;
CREATE INDEX calls_from ON calls (fromEnd) WHERE fromEnd IS NOT NULL;
CREATE INDEX calls_to ON calls (toEnd) WHERE toEnd IS NOT NULL;
CREATE INDEX calls_session ON calls ("sessionId") WHERE "sessionId" IS NOT NULL;
CREATE INDEX aliases_alias ON aliases (alias, call);
`

// Tables is the statements that make an empty file, less the indexes.
func Tables() string {
	var b strings.Builder
	b.WriteString(otherTables)
	b.WriteString("CREATE TABLE calls (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, severity INTEGER NOT NULL, fromEnd TEXT, toEnd TEXT, incidents TEXT")
	// What is first in a row is found fastest.
	first := append(figures.Fields(), "callId", "sessionId")
	columns := slices.Clone(fieldColumns())
	slices.SortStableFunc(columns, func(a, b Column) int { return cmp.Compare(placeIn(first, a.Name), placeIn(first, b.Name)) })
	for _, c := range columns {
		fmt.Fprintf(&b, ", %s %s", c.SQL, c.sqlType())
	}
	b.WriteString(", last INTEGER NOT NULL, first INTEGER NOT NULL, events BLOB NOT NULL);")
	return b.String()
}

// placeIn is the index of a name in a list, the length of it if it is not there.
func placeIn(list []string, name string) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}

// Version names the schema and what is computed from it; a file with another one is
// built again.
var Version = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(Tables() + Indexes + strings.Join(backend.Dimensions(), ",")))
	return fmt.Sprintf("%d-%s", number, hex.EncodeToString(sum[:8]))
})

// SameCall is the condition that a row is of a call; KeyArgs are its values. Of the
// account that few calls have, the table calls has NULL where the others have "".
const SameCall = `"callId" = ? AND provider = ? AND ifnull(account, '') = ?`

// KeyArgs are the values of SameCall.
func KeyArgs(k call.Key) []any { return []any{k.CallID, k.Provider, k.Account} }

// ReadKey reads the columns callId, provider and account.
func ReadKey(s *sqlite3.Stmt, at int) call.Key {
	return call.Key{CallID: s.ColumnText(at), Provider: s.ColumnText(at + 1), Account: s.ColumnText(at + 2)}
}

// Selected is the list of columns that ReadCall reads.
var Selected = sync.OnceValue(func() string {
	names := []string{"c.seq", "c.at", "c.severity", "c.incidents", "c.events"}
	for _, c := range fieldColumns() {
		names = append(names, "c."+c.SQL)
	}
	return strings.Join(names, ", ")
})
