package wording

import "testing"

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
