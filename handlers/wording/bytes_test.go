package wording

import (
	"math"
	"testing"
)

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1500: "1.5 kB", 1e6: "1.0 MB", 20e9: "20.0 GB",
		3e12: "3.0 TB", math.MaxUint64: "18446744.1 TB",
	} {
		if have := Bytes(n); have != want {
			t.Errorf("%d: %s, want %s", n, have, want)
		}
	}
}
