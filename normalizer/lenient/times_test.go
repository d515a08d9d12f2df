package lenient

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"strconv"
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

// A number of units since 1970 is a time of the years 1970 to 2099, in every unit; 0,
// negative numbers and later times are unknown.
func TestUnixYears(t *testing.T) {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		perSecond := int64(time.Second / unit)
		for second, want := range map[int64]string{
			1: "1970-01-01T00:00:01Z", 1788343210: "2026-09-02T10:00:10Z", 4102444799: "2099-12-31T23:59:59Z",
			0: "unknown", -1: "unknown", 4102444800: "unknown", 32503680000: "unknown", 1 << 60: "unknown",
		} {
			if second > math.MaxInt64/perSecond {
				continue
			}
			got := "unknown"
			if at := Of(json.Number(strconv.FormatInt(second*perSecond, 10))).Unix(unit); !at.IsZero() {
				got = at.Format(time.RFC3339Nano)
			}
			if got != want {
				t.Errorf("%d s in %s is read as %s, want %s", second, unit, got, want)
			}
		}
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
