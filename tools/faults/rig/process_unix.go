//go:build unix

package rig

import (
	"os/exec"
	"syscall"
)

// ownGroup starts cmd in a process group of its own, so that killGroup ends the
// programs that wrap the product as well.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the process group of pid as a crash does.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// Freeze stops the process group of pid until thaw.
func Freeze(pid int) error { return syscall.Kill(-pid, syscall.SIGSTOP) }

// Thaw continues a frozen process group.
func Thaw(pid int) error { return syscall.Kill(-pid, syscall.SIGCONT) }

// exists reports whether there is a process pid, a zombie included.
func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }
