package providertest

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

// Expected is what one file of the corpus must become.
type Expected struct {
	Err    string            // part of the error, for what cannot be normalized
	Events int               // number of events
	Kind   call.Kind         // of the first event
	Source normalizer.Source // how the body came; a webhook where empty
	Values map[string]any    // of the first event: field or raw.x.y; nil is absent; len(intervals)
}

// CorpusDir is the folder of real bodies, outside of the repository.
func CorpusDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CALLWATCH_CORPUS")
	if dir == "" {
		t.Skip("CALLWATCH_CORPUS is not set: no folder of real bodies")
	}
	return dir
}

// Corpus normalizes every file of the provider's folder and compares it
// with the table. A file that the table does not know fails, and so does a line
// without a file.
func Corpus(t *testing.T, p normalizer.Provider, table map[string]Expected) {
	dir := filepath.Join(CorpusDir(t), p.Name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	present := map[string]bool{}
	for _, entry := range entries {
		present[entry.Name()] = true
		w, known := table[entry.Name()]
		if !known {
			t.Errorf("%s: no expectation", entry.Name())
			continue
		}
		t.Run(entry.Name(), func(t *testing.T) { checkCorpusFile(t, p, filepath.Join(dir, entry.Name()), w) })
	}
	for name := range table {
		if !present[name] {
			t.Errorf("%s: no such file", name)
		}
	}
}

func checkCorpusFile(t *testing.T, p normalizer.Provider, path string, w Expected) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body := normalizer.Body{Provider: p.Name, Source: w.Source, ContentType: "application/json", Bytes: raw, ReceivedAt: ReceivedAt(), RawID: "1.0"}
	if body.Source == "" {
		body.Source = normalizer.Pushed
	}
	if strings.HasSuffix(path, ".form.txt") {
		body.ContentType = "application/x-www-form-urlencoded"
	}
	events, err := normalizer.Events(p, &body, normalizer.Options{})
	if w.Err != "" {
		if err == nil || !strings.Contains(err.Error(), w.Err) {
			t.Fatalf("error %v, want one with %q", err, w.Err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != w.Events {
		t.Fatalf("%d events, want %d", len(events), w.Events)
	}
	if w.Events == 0 {
		return
	}
	if events[0].Kind != w.Kind {
		t.Errorf("kind %s, want %s", events[0].Kind, w.Kind)
	}
	for name, want := range w.Values {
		if got := EventValue(t, &events[0], name); !SameValue(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// EventValue is a field by its name, a member of raw by its path, or
// len(intervals).
func EventValue(t testing.TB, e *call.Event, name string) any {
	t.Helper()
	if name == "len(intervals)" {
		return len(e.Intervals)
	}
	if path, ok := strings.CutPrefix(name, "raw."); ok {
		var v any = e.Raw
		for part := range strings.SplitSeq(path, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		return v
	}
	f, ok := call.Lookup(name)
	if !ok {
		t.Fatalf("no field %q", name)
	}
	return f.Value(e)
}

// SameValue compares numbers of any type by value, times with their text.
func SameValue(got, want any) bool {
	if t, ok := got.(time.Time); ok {
		got = t.Format(time.RFC3339Nano)
	}
	g, gok := asNumber(got)
	w, wok := asNumber(want)
	if gok && wok {
		return math.Abs(g-w) < 1e-6
	}
	return reflect.DeepEqual(got, want)
}

func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		return f, err == nil
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	default:
		return 0, false
	}
}
