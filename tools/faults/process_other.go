//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func killGroup(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

func freeze(int) error { return errors.ErrUnsupported }

func thaw(int) error { return errors.ErrUnsupported }

func exists(pid int) bool {
	p, err := os.FindProcess(pid) // fails for a process that has ended
	if err == nil {
		_ = p.Release()
	}
	return err == nil
}
