package normalizer

import (
	"path/filepath"
	"testing"

	"callwatch/normalizer/casefile"
)

// TestCases normalizes the bodies of the repository's cases, and of the folder
// that CALLWATCH_CASES names, and compares the events with what each case wants.
func TestCases(t *testing.T) {
	for _, dir := range casefile.Folders("testdata/cases") {
		for _, w := range casefile.Wants(t, dir) {
			t.Run(filepath.Base(dir)+"/"+w.Name, func(t *testing.T) { checkCase(t, &w) })
		}
	}
}

func checkCase(t *testing.T, w *casefile.Want) {
	p, ok := Find(w.Provider)
	if !ok {
		t.Fatalf("no provider %q", w.Provider)
	}
	events, err := Events(p, &Body{
		Provider: p.Name, Source: Pushed, ContentType: w.Body.ContentType, Header: w.Body.Headers,
		Bytes: w.Body.Bytes, ReceivedAt: testReceivedAt(),
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Count != nil && len(events) != *w.Count {
		t.Fatalf("%d events, want %d", len(events), *w.Count)
	}
	if len(events) < len(w.Events) {
		t.Fatalf("%d events, want %d or more", len(events), len(w.Events))
	}
	for i := range events {
		got, err := events[i].JSON()
		if err != nil {
			t.Fatal(err)
		}
		var faults []string
		if i < len(w.Events) {
			faults = w.Events[i].Check(got)
		}
		if w.All != nil {
			faults = append(faults, w.All.Check(got)...)
		}
		for _, f := range faults {
			t.Errorf("event %d: %s", i, f)
		}
		if t.Failed() {
			t.Logf("why: %s\nevent %d: %.1500s", w.Why, i, got)
		}
	}
}
