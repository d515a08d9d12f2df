package main

import "testing"

func TestCollectAfter(t *testing.T) {
	for _, c := range []struct {
		liveMB uint64
		want   int
	}{{0, 300}, {4, 300}, {24, 300}, {48, 100}, {64, 50}, {96, 40}, {4000, 40}} {
		if got := collectAfter(c.liveMB << 20); got != c.want {
			t.Errorf("%d MB in use: %d %%, not %d %%", c.liveMB, got, c.want)
		}
	}
}
