// Package readmodel is what pages and API ask about many calls: one row per call,
// one per step of an incident, and figures of each hour by provider and dimension, in
// an SQLite file beside the store.
//
// The file is derived from EVENTS and ALERTS. If it is missing, damaged, of another
// version or of another store, it is built again; nothing is lost with it. It is fed
// in batches by a follower of its own. Each batch is one transaction, which also
// stores how far the model has come, so that a stop anywhere neither loses a message
// nor counts one twice.
package readmodel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"callwatch/call"
)

// schemaVersion changes with the meaning of a table; a file of another version is
// built again.
const schemaVersion = 1

// column is a column of the table calls that holds a field of the call.
type column struct {
	call.Field
	name string // quoted
}

// fieldColumns are the fields of a call that a row holds, in the order of the field
// table: all but intervals and the members of raw.
var fieldColumns = sync.OnceValue(func() []column {
	var out []column
	for _, f := range call.Fields() {
		if f.Type != call.List && f.Type != call.Object {
			out = append(out, column{f, quoted(f.Name)})
		}
	}
	return out
})

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// columnOf is the column of a field, for conditions; false if it has none, or is a
// list.
func columnOf(f *call.Field) (string, bool) {
	switch f.Type {
	case call.List, call.Object:
		return "", false
	default:
		return "c." + quoted(f.Name), true
	}
}

func (c column) sqlType() string {
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
func ownColumns() []string {
	return []string{"seq", "last", "at", "first", "severity", "incidents", "account", "events"}
}

const tables = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE corrections (of TEXT PRIMARY KEY, raw TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE numbers (reversed TEXT, call INTEGER, PRIMARY KEY (reversed, call)) WITHOUT ROWID;
CREATE TABLE aliases (alias TEXT, call INTEGER, session INTEGER NOT NULL, PRIMARY KEY (alias, call, session)) WITHOUT ROWID;
CREATE TABLE steps (seq INTEGER PRIMARY KEY, incident TEXT NOT NULL, rule TEXT NOT NULL, key TEXT NOT NULL, step TEXT NOT NULL,
	severity INTEGER NOT NULL, at INTEGER NOT NULL, opened INTEGER NOT NULL, resolved INTEGER);
CREATE INDEX steps_incident ON steps (incident, seq);
CREATE TABLE named (callId TEXT, provider TEXT, incident TEXT, severity INTEGER NOT NULL, seq INTEGER NOT NULL,
	PRIMARY KEY (callId, provider, incident)) WITHOUT ROWID;
CREATE INDEX named_incident ON named (incident);
CREATE TABLE hours (dim INTEGER, hour INTEGER, provider TEXT, value TEXT, cell BLOB NOT NULL,
	PRIMARY KEY (dim, hour, provider, value)) WITHOUT ROWID;
`

const indexes = `
CREATE INDEX calls_id ON calls ("callId", provider);
CREATE INDEX calls_at ON calls (at);
CREATE INDEX calls_agent ON calls ("agentName", at) WHERE "agentName" IS NOT NULL;
CREATE INDEX calls_mos ON calls (mos) WHERE mos IS NOT NULL;
`

// schema is the statements that make an empty file.
func schema() string {
	var b strings.Builder
	b.WriteString(tables)
	b.WriteString("CREATE TABLE calls (seq INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, first INTEGER NOT NULL, " +
		"severity INTEGER NOT NULL, incidents TEXT, account TEXT, events BLOB NOT NULL")
	for _, c := range fieldColumns() {
		fmt.Fprintf(&b, ", %s %s", c.name, c.sqlType())
	}
	b.WriteString(");")
	b.WriteString(indexes)
	return b.String()
}

// version names the schema and what is computed from it; a file with another one is
// built again.
var version = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(schema() + strings.Join(dimensionNames(), ",")))
	return fmt.Sprintf("%d-%s", schemaVersion, hex.EncodeToString(sum[:8]))
})

// selected is the list of columns that readRow reads.
var selected = sync.OnceValue(func() string {
	names := []string{"c.seq", "c.at", "c.severity", "c.incidents", "c.account", "c.events"}
	for _, c := range fieldColumns() {
		names = append(names, "c."+c.name)
	}
	return strings.Join(names, ", ")
})

// sortColumn is the column of a name by which lists are sorted.
func sortColumn(name string) (string, bool) {
	if name == "at" || name == "severity" {
		return "c." + name, true
	}
	i := slices.IndexFunc(fieldColumns(), func(c column) bool { return c.Name == name && c.Type != call.Strings })
	if i < 0 {
		return "", false
	}
	return "c." + fieldColumns()[i].name, true
}
