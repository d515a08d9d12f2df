package wording

import "testing"

func TestShare(t *testing.T) {
	v := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		low, high *float64
		want      string
	}{
		{nil, nil, ""},
		{v(0), v(1), ""}, // nothing is known
		{v(0), v(0), "0 %"},
		{v(0.031), v(0.031), "3.1 %"},
		{v(0.0319), v(0.2), "3.1 % or more"}, // never more than is certain
		{v(0), v(0.0401), "up to 4.1 %"},     // never less than is possible
		{v(0.5), v(1), "50 % or more"},
		{v(1), v(1), "100 %"},
	} {
		if got := Share(c.low, c.high); got != c.want {
			t.Errorf("%v %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestAmountAndSeconds(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 812: "812", 9999: "9\u202f999", 12_345: "12.3 k", 1_200_000: "1.2 M", -7: "-7"} {
		if got := Amount(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 s", 48.4: "48 s", 185: "3:05", 3727: "1:02:07", -1: ""} {
		if got := Seconds(&s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
	if Seconds(nil) != "" {
		t.Error("an unknown length is written")
	}
}
