//go:build !linux

package rig

func (d *Disk) Cut() error { return Skip("needs ext4 on Linux") }

func (d *Disk) Fill() (string, error) { return "", Skip("needs ext4 on Linux") }
