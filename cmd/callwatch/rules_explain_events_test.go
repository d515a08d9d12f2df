package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/rulescmd"
	"callwatch/pipeline/eventlog"
)

// rules explain reads a file as backtest does: events without a time of receipt
// count when the call ended, and two equal lines are one event.
func TestExplainReadsEventsAsBacktestDoes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "events.ndjson")
	src := `{"provider": "example", "kind": "ended", "callId": "c1", "mos": 2.0, "endedAt": "2026-03-02T12:00:00Z", "occurredAt": "2026-03-02T20:00:00Z"}
{"provider": "example", "kind": "stats", "callId": "c2", "jitterMs": 40, "occurredAt": "2026-03-02T11:00:10Z"}
{"provider": "example", "kind": "stats", "callId": "c2", "jitterMs": 40, "occurredAt": "2026-03-02T11:00:10Z"}
`
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := rulescmd.ReadMoments(t.Context(), file, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var want []eventlog.Moment
	of := eventlog.File{Name: file, In: strings.NewReader(src), Log: slog.New(slog.DiscardHandler), Raw: true, Progress: func(int64) {}}
	if err := of.Each(t.Context(), func(m eventlog.Moment) error { want = append(want, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 3 || len(found) != len(want) || found[0].Event.CallID != "c2" || found[0].Event.ID != found[1].Event.ID {
		t.Fatalf("%+v", found)
	}
	for i := range want {
		if !found[i].At.Equal(want[i].At) || found[i].Event.ID != want[i].Event.ID {
			t.Errorf("event %d: %s at %s, want %s at %s", i, found[i].Event.ID, found[i].At, want[i].Event.ID, want[i].At)
		}
	}
	// The output of both says when c1 counts.
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("rules:\n  - {name: bad, when: mos < 3.5, active: {hours: \"08:00-18:00\"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"rules", "explain", file, "--rules", rules}, nil, strings.NewReader(""), &out, &errs); code != cli.ExitFine || strings.Contains(out.String(), "outside the hours") {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
}
