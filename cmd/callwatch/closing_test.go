package main

import (
	"strings"
	"testing"
	"time"
)

// A signal ends every command soon; only those that serve take the time they need.
func TestClosingTime(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]time.Duration{
		"serve": 0, "--data-dir x demo": 0, "serve --rules rules": 0, "import calls.csv --data-dir rules": 10 * time.Second,
		"rules check rules.yaml": 100 * time.Millisecond, "--rules r.yaml rules test": 100 * time.Millisecond, "backtest": time.Second, "": time.Second,
	} {
		if got := closingTime(strings.Fields(args)); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}
