//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

// hangUp sends this process SIGHUP, which reloads the rules.
func hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// freeze stops a process until thaw is called.
func freeze(t *testing.T, p *os.Process) (thaw func()) {
	t.Helper()
	send := func(s syscall.Signal) {
		t.Helper()
		if err := p.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGSTOP)
	return func() { send(syscall.SIGCONT) }
}
