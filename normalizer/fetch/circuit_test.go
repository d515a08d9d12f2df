package fetch

import (
	"testing"
	"time"
)

func TestCircuit(t *testing.T) {
	at := func(sec int) time.Time { return time.Unix(1e9+int64(sec), 0) }
	const allow, refuse, fail, succeed, forget = "allow", "refuse", "fail", "succeed", "forget"
	type step struct {
		sec  int
		what string
		then State
	}
	cases := map[string][]step{
		"closed until three in a row": {
			{0, fail, Closed}, {0, fail, Closed}, {0, succeed, Closed}, {0, fail, Closed}, {0, fail, Closed}, {0, fail, Open}, {9, refuse, Open},
		},
		"one probe at a time": {
			{0, fail, Closed}, {0, fail, Closed}, {0, fail, Open}, {10, allow, HalfOpen}, {10, refuse, HalfOpen}, {10, succeed, Closed}, {10, allow, Closed},
		},
		"a probe that fails doubles the pause, up to the longest": {
			{0, fail, Closed},
			{0, fail, Closed},
			{0, fail, Open},
			{10, allow, HalfOpen},
			{10, fail, Open},
			{29, refuse, Open},
			{30, allow, HalfOpen},
			{30, fail, Open},
			{59, refuse, Open},
			{60, allow, HalfOpen},
		},
		"failures of before the opening change nothing": {
			{0, fail, Closed}, {0, fail, Closed}, {0, fail, Open}, {5, fail, Open}, {10, fail, HalfOpen}, {10, allow, HalfOpen},
		},
		"a probe that was not answered is made again": {
			{0, fail, Closed}, {0, fail, Closed}, {0, fail, Open}, {10, allow, HalfOpen}, {10, forget, HalfOpen}, {10, allow, HalfOpen},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			c := Circuit{Failures: 3, Pause: 10 * time.Second, Longest: 30 * time.Second}
			for i, s := range steps {
				switch s.what {
				case fail:
					c.Fail(at(s.sec))
				case succeed:
					c.Succeed()
				case forget:
					c.Forget()
				default:
					until, ok := c.Allow(at(s.sec))
					if ok != (s.what == allow) || !ok && !until.After(at(s.sec)) {
						t.Fatalf("step %d: allowed %t until %s, want %s", i, ok, until, s.what)
					}
				}
				if got := c.State(at(s.sec)); got != s.then {
					t.Fatalf("step %d, %s: %s, want %s", i, s.what, got, s.then)
				}
			}
		})
	}
}
