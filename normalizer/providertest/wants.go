package providertest

import (
	"path/filepath"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/casefile"
)

// Wants normalizes the bodies of the folder cases, and those of the provider in the
// folder that CALLWATCH_CASES names, and compares the events with what each case wants.
func Wants(t *testing.T, p normalizer.Provider, dir string) {
	for _, folder := range casefile.Folders(filepath.Join(dir, "cases")) {
		for _, w := range casefile.Wants(t, folder) {
			if w.Provider == p.Name {
				t.Run(filepath.Base(folder)+"/"+w.Name, func(t *testing.T) { checkCase(t, p, &w) })
			}
		}
	}
}

func checkCase(t *testing.T, p normalizer.Provider, w *casefile.Want) {
	events, err := normalizer.Events(p, &normalizer.Body{
		Provider: p.Name, Source: normalizer.Pushed, ContentType: w.Body.ContentType, Header: w.Body.Headers,
		Bytes: w.Body.Bytes, ReceivedAt: ReceivedAt(),
	}, normalizer.Options{})
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
