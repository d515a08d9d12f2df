package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"

	"callwatch/stream/disk"
)

// The server passes over a stream whose description does not match its checksum,
// as if it did not exist, and another would be made in its place. Copies of the
// descriptions are kept in DescriptionsDir.
const DescriptionsDir = "descriptions"

var descriptionFiles = [...]string{"meta.inf", "meta.sum"}

// description checks the description of a stream, and puts the copy in the place
// of a damaged one.
func (c *Checker) description(stream string) error {
	dir := filepath.Join(StreamsDir(c.Dir), stream)
	text, sum, err := readDescription(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // made halfway: it holds nothing yet
	}
	if err != nil {
		return fmt.Errorf("check stream %s: %w", stream, err)
	}
	if soundDescription(stream, text, sum) {
		return nil
	}
	text, sum, err = readDescription(filepath.Join(c.Dir, DescriptionsDir, stream))
	if err != nil || !soundDescription(stream, text, sum) {
		if holds, err := c.holdsData(stream); err != nil || !holds {
			return errors.Join(err, os.RemoveAll(dir)) // cut off while it was made
		}
		return fmt.Errorf("the description of stream %s is damaged: restore %s/meta.inf and meta.sum from a backup, "+
			"or move the directory away to begin with an empty stream", stream, dir)
	}
	for i, b := range [...][]byte{text, sum} {
		if err := disk.Replace(filepath.Join(dir, descriptionFiles[i]), b); err != nil {
			return err
		}
	}
	name, _ := filepath.Rel(c.Dir, filepath.Join(dir, descriptionFiles[0]))
	c.Found(Flaw{Stream: stream, File: name, Restored: true, First: 1})
	return nil
}

func readDescription(dir string) (text, sum []byte, err error) {
	text, err = os.ReadFile(filepath.Join(dir, descriptionFiles[0]))
	sum, err2 := os.ReadFile(filepath.Join(dir, descriptionFiles[1]))
	return text, sum, errors.Join(err, err2)
}

func soundDescription(stream string, text, sum []byte) bool {
	key := sha256.Sum256([]byte(stream))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return false
	}
	_, _ = h.Write(text) // a hash never fails
	return hex.EncodeToString(h.Sum(nil)) == string(sum)
}

// KeepDescriptions copies the descriptions that changed.
func KeepDescriptions(dir string) error {
	names, err := Streams(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		text, sum, err := readDescription(filepath.Join(StreamsDir(dir), name))
		if err != nil || !soundDescription(name, text, sum) {
			continue // it is just being written
		}
		to := filepath.Join(dir, DescriptionsDir, name)
		if had, hadSum, err := readDescription(to); err == nil && bytes.Equal(had, text) && bytes.Equal(hadSum, sum) {
			continue
		}
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		for i, b := range [...][]byte{text, sum} {
			if err := disk.Replace(filepath.Join(to, descriptionFiles[i]), b); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdsData reports whether the stream has a block with something in it.
func (c *Checker) holdsData(stream string) (bool, error) {
	blocks, err := Files(filepath.Join(StreamsDir(c.Dir), stream, "msgs"))
	for _, b := range blocks {
		info, err := os.Stat(b.Path)
		if err != nil || info.Size() > 0 {
			return true, err
		}
	}
	return false, err
}
