package providertest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
)

// Update has the golden files rewritten: the flag -update of the test that runs the suite.
var Update = flag.Bool("update", false, "rewrite the golden files")

// Case is one body of the folder bodies: <name>.json or <name>.form, with
// <name>.meta.json beside it where it did not come as a webhook. What it
// becomes is in <name>.golden.json; where the name ends in -bad the error
// is in <name>.golden.txt.
type Case struct {
	Name string
	Path string // without extensions
	Body normalizer.Body
	Bad  bool
}

type caseMeta struct {
	Source      normalizer.Source `json:"source"`
	CallID      string            `json:"callId"`
	ContentType string            `json:"contentType"`
}

func ReceivedAt() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// Cases reads all bodies of a provider from the folder bodies of dir. Goldens that belong to no body fail.
func Cases(t testing.TB, provider, dir string) []Case {
	t.Helper()
	dir = filepath.Join(dir, "bodies")
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []Case
	expected := map[string]bool{}
	for _, entry := range entries {
		file := entry.Name()
		name, isForm := strings.CutSuffix(file, ".form")
		if strings.HasSuffix(file, ".meta.json") || strings.Contains(file, ".golden.") {
			continue
		}
		contentType := "application/x-www-form-urlencoded"
		if !isForm {
			name, contentType = strings.TrimSuffix(file, ".json"), "application/json"
		}
		c := Case{Name: name, Path: filepath.Join(dir, name), Bad: strings.HasSuffix(name, "-bad")}
		if expected[name] {
			t.Fatalf("%s: two bodies of that name", c.Path)
		}
		expected[name] = true
		meta := caseMeta{Source: normalizer.Pushed, ContentType: contentType}
		if b, err := os.ReadFile(c.Path + ".meta.json"); err == nil {
			unmarshalStrict(t, b, &meta)
		}
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		c.Body = normalizer.Body{
			Provider: provider, Source: meta.Source, ContentType: meta.ContentType, CallID: meta.CallID,
			Bytes: body, ReceivedAt: ReceivedAt(), RawID: "1.0",
		}
		out = append(out, c)
	}
	for _, entry := range entries {
		name, _, ok := strings.Cut(entry.Name(), ".golden.")
		if !ok {
			name, ok = strings.CutSuffix(entry.Name(), ".meta.json")
		}
		if ok && !expected[name] {
			t.Errorf("%s/%s belongs to no body", dir, entry.Name())
		}
	}
	return out
}

func unmarshalStrict(t testing.TB, b []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func Golden(t *testing.T, p normalizer.Provider, dir string) {
	all := Cases(t, p.Name, dir)
	if len(all) == 0 {
		t.Fatalf("%s has no case", dir)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) { golden(t, p, c) })
	}
}

func golden(t *testing.T, p normalizer.Provider, c Case) {
	events, err := normalizer.Events(p, &c.Body, normalizer.Options{})
	if c.Bad {
		if err == nil {
			t.Fatalf("%d events, want an error", len(events))
		}
		Compare(t, c.Path+".golden.txt", []byte(err.Error()+"\n"))
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if events == nil {
		events = []call.Event{}
	}
	got, err := json.MarshalIndent(events, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	Compare(t, c.Path+".golden.json", append(got, '\n'))
}

func Compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// everyEvent are the fields that every event has, of any provider.
func everyEvent() []string {
	return []string{"id", "provider", "kind", "callId", "occurredAt", "receivedAt", "final", "rawId", "raw"}
}

// Supplies holds a provider's list of fields to what its cases show: what
// its mapping sets is listed, and what is listed occurs.
func Supplies(t *testing.T, p normalizer.Provider, dir string) {
	mapped, finished := map[string]string{}, map[string]string{}
	for _, c := range Cases(t, p.Name, dir) {
		if c.Bad {
			continue
		}
		own, err := p.Normalize(&c.Body)
		if err != nil {
			t.Fatal(err)
		}
		noteFields(mapped, own, c.Name)
		all, err := normalizer.Events(p, &c.Body, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		noteFields(finished, all, c.Name)
	}
	for name, where := range mapped {
		if !slices.Contains(p.Supplies, name) && !slices.Contains(everyEvent(), name) {
			t.Errorf("%s is set by %s but not among Supplies", name, where)
		}
	}
	for _, name := range p.Supplies {
		if _, ok := call.Lookup(name); !ok {
			t.Errorf("Supplies names %q, which is no field", name)
		} else if finished[name] == "" {
			t.Errorf("Supplies names %s, but no case shows it", name)
		}
	}
}

func noteFields(seen map[string]string, events []call.Event, where string) {
	for _, f := range call.Fields() {
		for i := range events {
			if f.Value(&events[i]) != nil {
				seen[f.Name] = where
			}
		}
	}
}
