package normalizer

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
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testCase is one body of testdata/<provider>: <name>.json or <name>.form, with
// <name>.meta.json beside it where it did not come as a webhook. What it
// becomes stands in <name>.golden.json; where the name ends in -bad the error
// stands in <name>.golden.txt.
type testCase struct {
	name string
	path string // without extensions
	body Body
	bad  bool
}

type caseMeta struct {
	Source      Source `json:"source"`
	CallID      string `json:"callId"`
	ContentType string `json:"contentType"`
}

func testReceivedAt() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// cases reads all bodies of a provider. Goldens that belong to no body fail.
func cases(t testing.TB, provider string) []testCase {
	t.Helper()
	dir := filepath.Join("testdata", provider)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []testCase
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
		c := testCase{name: name, path: filepath.Join(dir, name), bad: strings.HasSuffix(name, "-bad")}
		if expected[name] {
			t.Fatalf("%s: two bodies of that name", c.path)
		}
		expected[name] = true
		meta := caseMeta{Source: Pushed, ContentType: contentType}
		if b, err := os.ReadFile(c.path + ".meta.json"); err == nil {
			unmarshalStrict(t, b, &meta)
		}
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		c.body = Body{
			Provider: provider, Source: meta.Source, ContentType: meta.ContentType, CallID: meta.CallID,
			Bytes: body, ReceivedAt: testReceivedAt(), RawID: "1.0",
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

func TestGolden(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			all := cases(t, p.Name)
			if len(all) == 0 {
				t.Fatalf("testdata/%s has no case", p.Name)
			}
			for _, c := range all {
				t.Run(c.name, func(t *testing.T) { golden(t, p, c) })
			}
		})
	}
}

func golden(t *testing.T, p Provider, c testCase) {
	events, err := Events(p, &c.body, Options{})
	if c.bad {
		if err == nil {
			t.Fatalf("%d events, want an error", len(events))
		}
		compare(t, c.path+".golden.txt", []byte(err.Error()+"\n"))
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
	compare(t, c.path+".golden.json", append(got, '\n'))
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
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

// everyEvent are the fields that any event has, whoever sent it.
func everyEvent() []string {
	return []string{"id", "provider", "kind", "callId", "occurredAt", "receivedAt", "final", "rawId", "raw"}
}

// TestSupplies holds a provider's list of fields to what its cases show: what
// its mapping sets is listed, and what is listed occurs.
func TestSupplies(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			mapped, finished := map[string]string{}, map[string]string{}
			for _, c := range cases(t, p.Name) {
				if c.bad {
					continue
				}
				own, err := p.Normalize(&c.body)
				if err != nil {
					t.Fatal(err)
				}
				noteFields(mapped, own, c.name)
				all, err := Events(p, &c.body, Options{})
				if err != nil {
					t.Fatal(err)
				}
				noteFields(finished, all, c.name)
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
		})
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

func BenchmarkNormalize(b *testing.B) {
	for _, p := range Providers() {
		b.Run(p.Name, func(b *testing.B) {
			all := slices.DeleteFunc(cases(b, p.Name), func(c testCase) bool { return c.bad })
			if len(all) == 0 {
				b.Skip("no case")
			}
			size := 0
			for _, c := range all {
				size += len(c.body.Bytes)
			}
			b.SetBytes(int64(size / len(all)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := Events(p, &all[i%len(all)].body, Options{}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
