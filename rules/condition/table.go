package condition

import (
	"strconv"
	"strings"

	"callwatch/call"

	"github.com/expr-lang/expr/file"
)

// Table gives a text for the value of a field: the carrier of a prefix, the team of an
// agent. It is immutable.
type Table struct {
	Name   string // as expressions name what it gives
	Of     call.Field
	Prefix bool // the longest key that the value begins with counts; else the one it is

	values map[string]string
	most   int // bytes of the longest key
}

// NewTable is a table of keys with their values. Keys and values of fields that are
// numbers of telephones may begin with +, or not. It keeps the map.
func NewTable(name string, of call.Field, prefix bool, values map[string]string) *Table {
	t := &Table{Name: name, Of: of, Prefix: prefix, values: values}
	var signed []string
	for key := range values {
		if t.most = max(t.most, len(key)); TableKey(key) != key {
			signed = append(signed, key)
		}
	}
	for _, key := range signed {
		values[TableKey(key)] = values[key]
		delete(values, key)
	}
	return t
}

// TableKey is a key without the + of a number.
func TableKey(s string) string {
	if rest, plus := strings.CutPrefix(s, "+"); plus && rest != "" && strings.Trim(rest, "0123456789") == "" {
		return rest
	}
	return s
}

// find is the value of a key; false where there is none.
func (t *Table) find(key string) (string, bool) {
	key = TableKey(key)
	if !t.Prefix {
		v, ok := t.values[key]
		return v, ok && v != ""
	}
	for n := min(len(key), t.most); n > 0; n-- {
		if v, ok := t.values[key[:n]]; ok {
			return v, v != ""
		}
	}
	return "", false
}

// Lookup is what the table gives for a call; "" where it is unknown.
func (t *Table) Lookup(e *call.Event) string {
	key, ok := t.Of.Text(e)
	if !ok {
		n, number := t.Of.Number(e)
		if !number {
			return ""
		}
		key = strconv.FormatInt(int64(n), 10)
	}
	value, _ := t.find(key)
	return value
}

// given is a value of a table for the facts that are loaded.
type given struct {
	table *Table
	value value
}

// look is what a table gives, found once for the facts that are loaded.
func (f *Facts) look(t *Table) value {
	for i := range f.tables {
		if f.tables[i].table == t {
			return f.tables[i].value
		}
	}
	v := value{}
	if name, labelled := f.labels[t.Name]; labelled {
		v = ofText(name)
	} else if f.event != nil {
		if text := t.Lookup(f.event); text != "" {
			v = ofText(text)
		}
	}
	f.tables = append(f.tables, given{t, v})
	return v
}

// LoadLabels gives what tables say of an incident by the names of its labels, after Load:
// one about many calls has no call to look it up for.
func (f *Facts) LoadLabels(labels map[string]string) { f.labels = labels }

// table is what a name of the Env's tables gives.
func (c *compiler) table(name string, at file.Location) *node {
	t := c.env.Tables[name]
	if t == nil {
		return nil
	}
	if c.ofWindow() {
		return c.oneCall(name, typ{kind: text}, at)
	}
	slot := c.names.fields[t.Of.Name]
	of := &node{op: opField, slot: slot, field: &c.names.table[slot], typ: fieldType(t.Of), loc: at}
	field := &call.Field{Name: name, Type: call.Text}
	return c.made(&node{op: opLookup, key: name, table: t, args: []*node{of}, field: field, typ: typ{kind: text}, loc: at})
}

// Tables are the names of the tables that the program reads.
func (p *Program) Tables() []string {
	var names []string
	p.root.each(func(n *node) {
		if n.op == opLookup {
			names = append(names, n.key)
		}
	})
	return names
}
