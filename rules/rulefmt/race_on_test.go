//go:build race

package rulefmt

import "testing"

// plain skips a test of one goroutine that computes for minutes under the race
// detector; CI runs these tests once more without it.
func plain(t *testing.T) {
	t.Helper()
	t.Skip("computes for minutes under the race detector; CI runs it without")
}
