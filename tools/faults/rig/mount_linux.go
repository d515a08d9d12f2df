package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// Cut stops the file system as a power cut does: what is not on the disk by now
// never will be, its log included.
func (d *Disk) Cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	const shutdown, noLogFlush = 0x8004587D, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	flag := uint32(noLogFlush)
	if _, _, code := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); code != 0 {
		return fmt.Errorf("shut down %s: %w", d.dir, code)
	}
	return nil
}

// Fill leaves no byte free; the file it makes is to be removed.
func (d *Disk) Fill() (file string, err error) {
	file = filepath.Join(d.dir, "filler")
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	at := int64(0)
	for step := int64(1 << 28); step >= 4096; {
		if err := syscall.Fallocate(int(f.Fd()), 0, at, step); err != nil {
			step /= 2
			continue
		}
		at += step
	}
	return file, nil
}
