//go:build !race

package providertest

import "testing"

// Plain skips a test of one goroutine under the race detector, and runs it here.
func Plain(*testing.T) {}
