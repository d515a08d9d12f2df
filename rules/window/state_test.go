package window

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"callwatch/rules/condition"
)

// A row holds all that a call said: a new member of Reading has to be added to appendRow and
// readRow too.
func TestRowsHoldAllOfAReading(t *testing.T) {
	if n := reflect.TypeFor[Reading]().NumField(); n != 4 {
		t.Errorf("a reading has %d members, a row holds 4", n)
	}
}

// A large window is exact whenever it is added up: numbers of calls with every
// call, other figures with every few.
func TestLargeWindowOverCalls(t *testing.T) {
	for when, every := range map[string]int{"count(mos < 3.5) > 10": 1, "count(mos < 3.5) > prev(count(mos < 3.5))": 1, "count(mos < 3.5) + sum(mos) > 10": 4} {
		w := compile(t, "4000 calls", when)
		s := New(w, t0)
		met := func(i int) bool { return i%4 == 0 || i < 3000 }
		class := func(i int) condition.Class {
			if met(i) {
				return condition.Matching
			}
			return condition.Clear
		}
		readings := make([]Reading, len(w.Figures.Args))
		for i := range 9000 {
			for j := range readings {
				readings[j] = Reading{known: true, class: class(i), number: 1}
			}
			s.Add(w, 0, t0, t0, readings)
			if i%97 != 0 || (i+1)%every != 0 {
				continue
			}
			want := [2]int{}
			for j := max(0, i+1-8000); j <= i; j++ {
				if met(j) && j > i-4000 {
					want[0]++
				} else if met(j) {
					want[1]++
				}
			}
			var sums totals
			sums.addUp(&w.shape, s.Buckets)
			for _, f := range w.Figures.All {
				expect := float64(want[0])
				if f.Prev {
					expect = float64(want[1])
				} else if f.Func == "sum" {
					expect = float64(min(i+1, 4000))
				}
				if got := s.Buckets.measure(w, &f, &sums, &merged{}, w.MinCalls); got.Low != expect || got.High != expect {
					t.Fatalf("%s after %d calls: %s is %v, want %v", when, i+1, f.Name, got.Low, expect)
				}
			}
		}
		if n := len(s.Last.Rows) / w.shape.rowSize() / w.shape.ring; n != 4000 {
			t.Errorf("%s: %d rows a window", when, n)
		}
	}
}

// A checkpoint whose window has other rows than calls is not taken.
func TestDamagedRowsAreDropped(t *testing.T) {
	w := compile(t, "5 calls", "sum(jitterMs) > 10")
	s := New(w, t0)
	for range 7 {
		s.Add(w, 0, t0, t0, []Reading{{known: true, number: 3}})
	}
	if !s.Fits(w) {
		t.Fatal("a window does not fit its own rule")
	}
	for name, damage := range map[string]func(l *lastCalls){
		"rows cut off": func(l *lastCalls) { l.Rows = l.Rows[:10] }, "fewer calls": func(l *lastCalls) { l.Total = 2 },
		"negative": func(l *lastCalls) { l.Total = -1 },
	} {
		last := *s.Last
		damage(&last)
		if (&State{Buckets: s.Buckets, Last: &last}).Fits(w) {
			t.Errorf("%s: it fits", name)
		}
	}
}

// A state in a checkpoint that no window of the rule can have is refused.
func TestDamagedStatesAreRefused(t *testing.T) {
	w := compile(t, "60s", "p95(rttMs) > 1 and distinct(agentId) > 1")
	s := New(w, t0)
	for i := range 600 {
		s.Add(w, 0, t0, t0, []Reading{{known: true, number: float64(i)}, {known: true, text: fmt.Sprint(i)}})
		s.Add(w, 0, t0.Add(2*time.Second), t0.Add(2*time.Second), []Reading{{known: true, number: float64(i)}, {known: true, text: fmt.Sprint(i % 9)}})
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) bool {
		var s State
		return json.Unmarshal(text, &s) == nil && s.Fits(w)
	}
	if !read(text) {
		t.Fatal("a state does not fit its own rule")
	}
	for name, damage := range map[string][2]string{
		"a bucket far in the past":  {`"head":`, `"head":-9223372030`},
		"fewer counts":              {`"counts":[`, `"counts":[1],"was":[`},
		"no buckets":                {`"buckets":`, `"was":`},
		"a bucket beyond the ring":  {`"of":[`, `"of":[` + strings.Repeat("{},", 40)},
		"values that are not there": {`"n":9`, `"n":8`},
		"other registers":           {`"e":"`, `"e":"AAAA`},
		"a sketch of nothing":       {`"sketches":[""`, `"sketches":["////"`},
		"a value of no bucket":      {`"s":2`, `"s":0`},
	} {
		damaged := strings.Replace(string(text), damage[0], damage[1], 1)
		if name == "a sketch of nothing" {
			damaged = regexp.MustCompile(`"sketches":\["[^"]*"`).ReplaceAllString(string(text), damage[1])
		}
		if damaged == string(text) {
			t.Errorf("%s: nothing was damaged", name)
		}
		if read([]byte(damaged)) {
			t.Errorf("%s: it is taken", name)
		}
	}
}
