package declared

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer/declared/expression"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
)

// Test is a body with the events that it has to become.
type Test struct {
	Name        string
	Line        int
	Body        []byte
	ContentType string
	Headers     map[string]string
	Source      normalizer.Source
	CallID      string           // that a report was fetched for
	Want        []map[string]any // of each event the fields that matter; nil is absent
	Error       string           // part of the reason why it becomes no event
	Shows       []string         // what is wrong with the call, in the words of simulate's faults
}

func (l *loader) readTests(n ast.Node) {
	l.List(n, "tests", func(n ast.Node) {
		if l.Within(n, len(l.d.Tests), maxTests, "tests") {
			l.readTest(n)
		}
	})
}

func (l *loader) readTest(n ast.Node) {
	t := Test{Line: yamlfile.At(n).Line, Source: normalizer.Pushed, ContentType: "application/json"}
	wanted := false
	l.Mapping(n, "a test", yamlfile.Keys{
		"name":    func(n ast.Node) { t.Name, _ = l.Text(n, "name") },
		"body":    func(n ast.Node) { t.Body = expression.Encode(l.Anything(n)) },
		"text":    func(n ast.Node) { s, _ := l.Text(n, "text"); t.Body = []byte(s) },
		"type":    func(n ast.Node) { t.ContentType, _ = l.Text(n, "type") },
		"form":    func(n ast.Node) { t.Body, t.ContentType = l.form(n), "application/x-www-form-urlencoded" },
		"file":    func(n ast.Node) { t.Body = l.testFile(n) },
		"headers": func(n ast.Node) { t.Headers = l.testHeaders(n) },
		"source": func(n ast.Node) {
			word, _ := l.Word(n, "source", string(normalizer.Pushed), string(normalizer.Fetched), string(normalizer.Imported))
			t.Source = normalizer.Source(word)
		},
		"callId": func(n ast.Node) { t.CallID, _ = l.Text(n, "callId") },
		"want":   func(n ast.Node) { wanted = true; l.wants(n, &t) },
		"error":  func(n ast.Node) { wanted = true; t.Error, _ = l.Text(n, "error") },
		"shows":  func(n ast.Node) { t.Shows = l.Texts(n, "shows") },
	})
	switch {
	case l.Problems.Errors():
	case t.Body == nil:
		l.Add(yamlfile.At(n), "no-body", "a test needs a body", "add body:, form:, text: or file:")
	case !wanted:
		l.Add(yamlfile.At(n), "no-want", "a test says what the body becomes", "add want: and the fields of the event, [] for none, or error:")
	}
	l.d.Tests = append(l.d.Tests, t)
}

func (l *loader) form(n ast.Node) []byte {
	values := url.Values{}
	l.Entries(n, "form", func(name string, _ yamlfile.Pos, value ast.Node) {
		s, ok := value.(*ast.NullNode)
		if ok && s != nil {
			values.Set(name, "")
			return
		}
		text, _ := l.Text(value, name)
		values.Set(name, text)
	})
	return []byte(values.Encode())
}

func (l *loader) testFile(n ast.Node) []byte {
	name, ok := l.Text(n, "file")
	if !ok {
		return nil
	}
	if !filepath.IsLocal(name) {
		l.Add(yamlfile.At(n), "no-file", fmt.Sprintf("%q is outside of the folder of the declaration", name), "")
		return nil
	}
	b, err := readRegular(filepath.Join(l.folder, name), 4<<20)
	if err != nil {
		l.Add(yamlfile.At(n), "no-file", err.Error(), "the path is relative to this file")
	}
	return b
}

// readRegular reads a regular file of at most so many bytes.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, most)
	}
	return os.ReadFile(path)
}

func (l *loader) testHeaders(n ast.Node) map[string]string {
	h := map[string]string{}
	l.Entries(n, "headers", func(name string, _ yamlfile.Pos, value ast.Node) {
		h[name], _ = l.Text(value, name)
	})
	return h
}

func (l *loader) wants(n ast.Node, t *Test) {
	one := func(n ast.Node) {
		want := map[string]any{}
		l.Entries(n, "want", func(name string, at yamlfile.Pos, value ast.Node) {
			field, known := call.Lookup(name)
			if !known && !strings.HasPrefix(name, "raw.") {
				l.Add(at, "unknown-field", fmt.Sprintf("want: there is no field %q", name), near(name))
			}
			want[name] = l.Anything(value)
			if word, ok := want[name].(string); ok && len(field.Enum) > 0 && !slices.Contains(field.Enum, word) {
				l.Add(yamlfile.At(value), "unknown-word", fmt.Sprintf("want: %s is never %q", name, word), cmp.Or(didYouMean(word, field.Enum), "one of: "+strings.Join(field.Enum, ", ")))
			}
		})
		t.Want = append(t.Want, want)
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		l.List(n, "want", one)
		return
	}
	one(n)
}

func near(name string) string {
	var names []string
	for _, f := range call.Fields() {
		names = append(names, f.Name)
	}
	return cmp.Or(didYouMean(name, names), "fields of an event, or raw.x.y")
}

func didYouMean(name string, names []string) string {
	if s := spelling.Nearest(name, names); s != "" {
		return "did you mean " + s + "?"
	}
	return ""
}

// Outcome is how a test went.
type Outcome struct {
	Name   string   `json:"name"`
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Faults []string `json:"faults,omitempty"` // none: it passed
	Notes  []string `json:"notes,omitempty"`  // mappings that gave nothing although there was something
}

// testTime is when the bodies of tests are received.
func testTime() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// content is the body of a test as it is stored.
func (t *Test) content(provider string) normalizer.Body {
	return normalizer.Body{
		Provider: provider, Source: t.Source, ContentType: t.ContentType, Bytes: t.Body, Header: t.Headers,
		CallID: t.CallID, ReceivedAt: testTime(), RawID: "1.0",
	}
}

// Run runs the tests.
func (d *Declaration) Run() []Outcome {
	out := make([]Outcome, 0, len(d.Tests))
	p := d.Provider()
	for i := range d.Tests {
		t := &d.Tests[i]
		o := Outcome{Name: t.Name, File: d.File, Line: t.Line}
		b := t.content(d.Name)
		_, o.Notes, _ = d.explain(&b, true)
		b = t.content(d.Name)
		events, err := normalizer.Events(p, &b, normalizer.Options{})
		switch {
		case err != nil && (t.Error == "" || !strings.Contains(err.Error(), t.Error)):
			o.Faults = append(o.Faults, err.Error())
		case err != nil:
		case t.Error != "":
			o.Faults = append(o.Faults, fmt.Sprintf("%d events, want the error %q", len(events), t.Error))
		case len(events) != len(t.Want):
			o.Faults = append(o.Faults, fmt.Sprintf("%d events, want %d", len(events), len(t.Want)))
		default:
			for i := range events {
				o.Faults = append(o.Faults, compare(&events[i], t.Want[i])...)
			}
		}
		out = append(out, o)
	}
	return out
}

// compare says in what an event is not as it was wanted.
func compare(e *call.Event, want map[string]any) []string {
	var faults []string
	for name, w := range want {
		var got any
		if path, ok := strings.CutPrefix(name, "raw."); ok {
			got = any(e.Raw)
			for part := range strings.SplitSeq(path, ".") {
				m, _ := got.(map[string]any)
				got = m[part]
			}
		} else {
			f, _ := call.Lookup(name)
			got = f.Value(e)
		}
		if !same(got, w) {
			faults = append(faults, fmt.Sprintf("%s is %s, want %s", name, shown(got), shown(w)))
		}
	}
	slices.Sort(faults)
	return faults
}

func shown(v any) string {
	if v == nil {
		return "unknown"
	}
	return string(expression.Encode(v))
}

func same(got, want any) bool {
	switch g := got.(type) {
	case time.Time:
		w, ok := expression.Instant(want).(time.Time)
		return ok && w.Equal(g)
	case int64:
		w, ok := expression.AsFloat(want)
		return ok && float64(g) == w
	case float64:
		w, ok := expression.AsFloat(want)
		return ok && math.Abs(g-w) <= 1e-6*max(1, math.Abs(w))
	}
	return string(expression.Encode(got)) == string(expression.Encode(want))
}
