package main

import "testing"

func TestCollectAfter(t *testing.T) {
	for _, c := range []struct {
		liveMB uint64
		want   int
	}{{0, 300}, {4, 300}, {40, 300}, {64, 150}, {80, 100}, {4000, 100}} {
		if got := collectAfter(c.liveMB << 20); got != c.want {
			t.Errorf("%d MB in use: %d %%, not %d %%", c.liveMB, got, c.want)
		}
	}
}
