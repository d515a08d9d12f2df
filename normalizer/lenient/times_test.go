package lenient

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"
)

// Each line of the table is a time as a provider writes it, and the moment it
// names in RFC 3339, or "unknown".
func TestTimes(t *testing.T) {
	f, err := os.Open("testdata/times.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		text, want, ok := strings.Cut(s.Text(), "\t")
		if strings.HasPrefix(text, "#") {
			continue
		}
		if !ok {
			t.Fatalf("%q has no tab", s.Text())
		}
		lines++
		text = strings.ReplaceAll(text, `\n`, "\r\n")
		got := "unknown"
		if at := parseTime(text); !at.IsZero() {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
	}
	if lines < 40 {
		t.Errorf("only %d lines", lines)
	}
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"Wed, 2 Sep 2026 10:00:10 +0000 (x (y))", "2 Sep 26 1:00 EST", "2026-09-02T10:00:00Z", "1 Jan 2026 00:00:60 -2359"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := parseTime(s)
		if at.IsZero() {
			return
		}
		if !plausible(at.Add(-24*time.Hour)) && !plausible(at.Add(24*time.Hour)) || at.Location() != time.UTC {
			t.Errorf("%q is read as %s", s, at)
		}
		if written := at.Format(time.RFC1123Z); !parseTime(written).Equal(at.Truncate(time.Second)) {
			t.Errorf("%q is read as %s, and %q as %s", s, at, written, parseTime(written))
		}
	})
}
