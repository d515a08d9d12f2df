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

// Numbers for people have no exponent, however large or small.
func TestSignificant(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		12345: "12345", 1234.56: "1235", 12345678.9: "12345679", 3.14159: "3.142", 0.5: "0.5", 0.00001234: "0.00001234", 1e-20: "0", 0: "0",
		-12345.6: "-12346", 99.996: "100", 1e6: "1000000", -1e-20: "0", 1e18: "1000000000000000000",
	} {
		if got := Significant(v, 4); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for v, want := range map[string]string{"12345.25": "12\u202f345.25", "1234567": "1\u202f234\u202f567", "-123456.5": "-123\u202f456.5", "0.123456": "0.123456"} {
		if got := Grouped(v); got != want {
			t.Errorf("%s grouped: %q, want %q", v, got, want)
		}
	}
}
