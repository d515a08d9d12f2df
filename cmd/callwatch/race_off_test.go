//go:build !race

package main

import "testing"

const raceDetector = false

// plain marks a test that runs without the race detector only.
func plain(*testing.T) {}
