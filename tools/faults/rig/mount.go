package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Disk is a file system of our own: ext4 on a file. It needs root.
type Disk struct {
	dir, device string
}

// disk makes and mounts one of so many bytes; close takes it away.
func (t *Trial) disk(size int64) (*Disk, error) {
	image := filepath.Join(t.Dir, "disk.img")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(image, size); err != nil {
		return nil, err
	}
	d := &Disk{dir: filepath.Join(t.Dir, "disk")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := tool("mkfs.ext4", "-q", "-m", "0", image); err != nil {
		return nil, Skip("%v", err)
	}
	device, err := tool("losetup", "-f", "--show", image)
	if err != nil {
		return nil, Skip("no loop device: %v", err)
	}
	d.device = strings.TrimSpace(device)
	if err := d.Mount(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func tool(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (d *Disk) Mount() error {
	_, err := tool("mount", "-t", "ext4", d.device, d.dir)
	return err
}

func (d *Disk) Unmount() error {
	_, err := tool("umount", d.dir)
	return err
}

func (d *Disk) Close() error {
	_ = d.Unmount() // it may be unmounted
	_, err := tool("losetup", "-d", d.device)
	return err
}
