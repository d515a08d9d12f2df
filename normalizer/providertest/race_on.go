//go:build race

package providertest

import "testing"

// Plain skips a test of one goroutine that computes for minutes under the race
// detector. CI runs the tests of such packages once more without it.
func Plain(t *testing.T) {
	t.Helper()
	t.Skip("computes for minutes under the race detector; CI runs it without")
}
