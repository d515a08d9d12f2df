//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup starts cmd in a process group of its own, so that killGroup ends the
// programs that wrap the product as well.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the process group of pid as a crash does.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// freeze stops the process group of pid until thaw.
func freeze(pid int) error { return syscall.Kill(-pid, syscall.SIGSTOP) }

// thaw continues a frozen process group.
func thaw(pid int) error { return syscall.Kill(-pid, syscall.SIGCONT) }

// exists reports whether there is a process pid, a zombie included.
func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }
