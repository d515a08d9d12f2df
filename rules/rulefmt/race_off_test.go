//go:build !race

package rulefmt

import "testing"

// plain marks a test that runs without the race detector only.
func plain(*testing.T) {}
