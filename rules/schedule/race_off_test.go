//go:build !race

package schedule_test

import "testing"

// plain marks a test that runs without the race detector only.
func plain(*testing.T) {}
