//go:build !linux

package main

func (d *disk) cut() error { return skip("needs ext4 on Linux") }

func (d *disk) fill() (string, error) { return "", skip("needs ext4 on Linux") }
