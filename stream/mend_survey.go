package stream

import (
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// surveyed is what a first look at a block found: sound blocks need no other.
type surveyed struct {
	sound bool
	last  uint64 // the highest sequence it tells of
}

// survey looks at blocks on all processors. What it cannot read is not sound.
func (m *mender) survey(blocks []blockFile) []surveyed {
	found := make([]surveyed, len(blocks))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(blocks)) {
		group.Go(func() {
			var b []byte
			for i := int(next.Add(1)) - 1; i < len(blocks); i = int(next.Add(1)) - 1 {
				var err error
				if b, err = readInto(b, blocks[i].path); err == nil {
					found[i] = m.look(blocks[i], b)
				}
			}
		})
	}
	group.Wait()
	return found
}

func (m *mender) look(file blockFile, b []byte) surveyed {
	k, err := newBlock(m.stream, file.index)
	if err != nil || len(k.flaws(b, 0)) > 0 {
		return surveyed{}
	}
	return surveyed{true, k.lastOf(b)}
}

// readInto reads a file into b, which grows where it must.
func readInto(b []byte, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	if int64(cap(b)) < info.Size() {
		b = make([]byte, info.Size())
	}
	b = b[:info.Size()]
	_, err = io.ReadFull(f, b)
	return b, err
}
