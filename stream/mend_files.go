package stream

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// blockFile is one block, of a number.
type blockFile struct {
	path  string
	index int
}

func blocksOf(dir string) ([]blockFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var blocks []blockFile
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if index, err := strconv.Atoi(number); ok && err == nil {
			blocks = append(blocks, blockFile{filepath.Join(dir, e.Name()), index})
		}
	}
	slices.SortFunc(blocks, func(a, b blockFile) int { return a.index - b.index })
	return blocks, err
}

// blocks are those the server will read: of a purge that was cut off, what it was
// about to leave.
func (m *mender) blocks() ([]blockFile, error) {
	dir := filepath.Join(streamsDir(m.dir), m.stream)
	if left, err := blocksOf(filepath.Join(dir, "__new_msgs__")); err != nil || len(left) > 0 {
		return left, err
	}
	return blocksOf(filepath.Join(dir, "msgs"))
}

// firstOf is the first sequence of a message in the blocks; 0 when it cannot be told.
func (m *mender) firstOf(blocks []blockFile) (uint64, error) {
	for _, file := range blocks {
		b, err := os.ReadFile(file.path)
		if err != nil {
			return 0, err
		}
		k, err := newBlock(m.stream, file.index)
		if err != nil {
			return 0, err
		}
		if seq := k.firstOf(b); seq != 0 || len(k.flaws(b, 0)) > 0 {
			return seq, nil
		}
	}
	return 0, nil
}

// replaceFile writes a file so that it is either the old or the new one.
func replaceFile(path string, b []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
