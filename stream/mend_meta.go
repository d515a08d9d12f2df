package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"
)

// mendMeta checks the description of a stream. The server passes over a stream
// whose description does not match its checksum, as if it did not exist, and
// another would be made in its place.
func (m *mender) mendMeta() error {
	dir := filepath.Join(streamsDir(m.dir), m.stream)
	text, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
	sum, err2 := os.ReadFile(filepath.Join(dir, "meta.sum"))
	if err = errors.Join(err, err2); errors.Is(err, fs.ErrNotExist) {
		return nil // made halfway: it holds nothing yet
	}
	if err != nil {
		return fmt.Errorf("check stream %s: %w", m.stream, err)
	}
	key := sha256.Sum256([]byte(m.stream))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return err
	}
	sound := func() bool {
		h.Reset()
		_, _ = h.Write(text) // a hash never fails
		return hex.EncodeToString(h.Sum(nil)) == string(sum)
	}
	if sound() {
		return nil
	}
	for name, b := range map[string][]byte{"meta.inf": text, "meta.sum": sum} {
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			if sound() {
				found := Flaw{Stream: m.stream, Offset: int64(bit / 8), Mended: true}
				found.File, _ = filepath.Rel(m.dir, filepath.Join(dir, name))
				m.found = append(m.found, found)
				return replaceFile(filepath.Join(dir, name), b)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	if holds, err := m.holdsData(); err != nil || !holds {
		return errors.Join(err, os.RemoveAll(dir)) // cut off while it was made
	}
	return fmt.Errorf("the description of stream %s is damaged: restore %s/meta.inf and meta.sum from a backup, "+
		"or move the directory away to begin that stream anew", m.stream, dir)
}

// holdsData says whether the stream has a block with something in it.
func (m *mender) holdsData() (bool, error) {
	blocks, err := blocksOf(filepath.Join(streamsDir(m.dir), m.stream, "msgs"))
	for _, b := range blocks {
		info, err := os.Stat(b.path)
		if err != nil || info.Size() > 0 {
			return true, err
		}
	}
	return false, err
}
