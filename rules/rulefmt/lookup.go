package rulefmt

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
)

const (
	maxLookups   = 50
	maxTableRows = 100_000
	maxRows      = 200_000 // of all tables
	maxTableText = 200     // bytes of a key or value
)

// Lookable are the fields whose value a table can be asked for.
func Lookable(f call.Field) bool { return f.Type == call.Text || f.Type == call.Integer }

// readLookups reads the tables, each from a CSV file.
func (l *loader) readLookups(n ast.Node) {
	l.Entries(n, "lookup", func(name string, keyAt pos, value ast.Node) {
		if !l.Within(value, len(l.env.Tables), maxLookups, "lookups") {
			return
		}
		var file, key, column string
		var fileNode ast.Node
		of, match := []string{}, "exact"
		before := len(l.Problems)
		l.Mapping(value, "a lookup", keys{
			"file":  func(n ast.Node) { file, _ = l.Text(n, "file"); fileNode = n },
			"of":    func(n ast.Node) { of = l.fields(n, "of", Lookable) },
			"match": func(n ast.Node) { match, _ = l.Word(n, "match", "exact", "prefix") },
			"key":   func(n ast.Node) { key, _ = l.Text(n, "key") },
			"value": func(n ast.Node) { column, _ = l.Text(n, "value") },
		})
		if _, again := l.env.Tables[name]; again {
			l.definedAgain("lookup", name, keyAt)
			return
		}
		values := map[string]string{}
		switch {
		case rules.Problems(l.Problems[before:]).Errors():
		case file == "":
			l.Add(nodeAt(value), "no-file", fmt.Sprintf("the lookup %q has no file", name), "add file: and a CSV file beside this one, such as carriers.csv")
		case len(of) != 1:
			l.Add(nodeAt(value), "unknown-field", fmt.Sprintf("the lookup %q is of no field", name), "add of: and a field such as to, agentId")
		default:
			if text, ok := l.companion(fileNode, file, ".csv"); ok {
				table, err := readTable(text, key, column)
				if err != nil {
					l.Add(nodeAt(fileNode), "bad-table", fmt.Sprintf("%s: %v", file, err), "a CSV file whose first line names the columns, such as prefix,carrier")
				}
				if l.rows += len(table); l.rows > maxRows {
					l.Add(nodeAt(fileNode), "too-large", fmt.Sprintf("the tables have more than %d rows together", maxRows), "")
					return
				}
				values = table
			}
		}
		// One with a mistake is known all the same, so that what names it is not reported as well.
		field, _ := call.Lookup("to")
		if len(of) == 1 {
			field, _ = call.Lookup(of[0])
		}
		l.env.Tables[name] = condition.NewTable(name, field, match == "prefix", values)
		l.defined[name] = definition{l.Document, keyAt, func(condition.Problem) pos { return keyAt }}
	})
}

// readTable reads keys and values of a CSV file (RFC 4180), of which the first line names
// the columns. Without names the keys are in the first column, the values in the second.
// An empty value is unknown. Errors do not quote the file.
func readTable(text []byte, key, value string) (map[string]string, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord, r.TrimLeadingSpace = true, true
	header, err := r.Read()
	if err != nil {
		return nil, tableError(err)
	}
	if len(header) < 2 {
		if i := strings.IndexAny(header[0], ";\t|"); i >= 0 {
			return nil, fmt.Errorf("its columns are separated by %q, not by commas", header[0][i])
		}
		return nil, errors.New("it has fewer than two columns")
	}
	place := func(name string, usual int) (int, error) {
		if name == "" {
			return usual, nil
		}
		if i := slices.IndexFunc(header, func(h string) bool { return strings.TrimSpace(h) == name }); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("it has no column %q", name)
	}
	keyAt, err := place(key, 0)
	if err != nil {
		return nil, err
	}
	valueAt, err := place(value, 1)
	if err != nil {
		return nil, err
	}
	values, seen := map[string]string{}, map[string]int{} // seen: lines, by what is compared of a key
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, tableError(err)
		}
		line, _ := r.FieldPos(0)
		k, v := strings.TrimSpace(row[keyAt]), strings.TrimSpace(row[valueAt])
		first, again := seen[condition.TableKey(k)]
		switch {
		case k == "":
			return nil, fmt.Errorf("line %d: the key is empty", line)
		case again:
			return nil, fmt.Errorf("line %d: the key is in line %d already", line, first)
		case len(k) > maxTableText || len(v) > maxTableText:
			return nil, fmt.Errorf("line %d: a key or value is longer than %d bytes", line, maxTableText)
		case len(values) >= maxTableRows:
			return nil, fmt.Errorf("it has more than %d lines", maxTableRows)
		}
		k = strings.Clone(k)
		values[k], seen[condition.TableKey(k)] = strings.Clone(v), line
	}
	if len(values) == 0 {
		return nil, errors.New("it has no line below the names of the columns")
	}
	return values, nil
}

func tableError(err error) error {
	p := &csv.ParseError{}
	_ = errors.As(err, &p)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("line %d has another number of columns than the first line", p.Line)
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return fmt.Errorf("line %d: a quote is not closed, or stands within a text that does not begin with one", p.Line)
	}
	return err
}
