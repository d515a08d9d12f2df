//go:build !unix

package rig

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

func Freeze(int) error { return errors.ErrUnsupported }

func Thaw(int) error { return errors.ErrUnsupported }

func exists(pid int) bool {
	p, err := os.FindProcess(pid) // fails for a process that has ended
	if err == nil {
		_ = p.Release()
	}
	return err == nil
}
