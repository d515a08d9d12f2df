//go:build !unix

package main

import (
	"os"
	"testing"
)

func hangUp(t *testing.T) {
	t.Helper()
	t.Skip("there is no SIGHUP on this system")
}

func freeze(t *testing.T, _ *os.Process) (thaw func()) {
	t.Helper()
	t.Skip("processes cannot be stopped on this system")
	return func() {}
}
