package rules

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func hashOfTest(record []byte) uint64 { return binary.LittleEndian.Uint64(record) }

func testRecord(hash uint64, size int) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, hash), bytes.Repeat([]byte{byte(hash) | 1}, size)...)
}

// A shelf is a map, whatever is put and removed in whatever order.
func TestShelfIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := newShelf(hashOfTest), map[uint64][]byte{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			hash := rapid.Uint64Range(0, 40).Draw(t, "hash")
			if rapid.Bool().Draw(t, "remove") {
				s.remove(hash)
				delete(want, hash)
			} else if !s.has(hash) {
				size := rapid.SampledFrom([]int{0, 10, 300, 20_000, pieceSize, 2 * pieceSize}).Draw(t, "size")
				want[hash] = testRecord(hash, size)
				s.put(hash, want[hash])
			}
		}
		all := map[uint64]bool{}
		for record := range s.all() {
			if hash := hashOfTest(record); all[hash] || !bytes.Equal(record, want[hash]) {
				t.Fatalf("%d is there twice or is another", hash)
			}
			all[hashOfTest(record)] = true
		}
		if len(all) != len(want) || s.len() != len(want) {
			t.Fatalf("%d of %d are listed, %d counted", len(all), len(want), s.len())
		}
		for hash, record := range want {
			if !bytes.Equal(s.get(hash), record) {
				t.Fatalf("%d: got %d bytes, want %d", hash, len(s.get(hash)), len(record))
			}
		}
	})
}

// What is dead is given back: a shelf takes little more than what lives on it,
// and nothing that was removed can be found in it.
func TestShelfGivesBack(t *testing.T) {
	for _, keep := range []uint64{2, 3, 10} { // every second, third, tenth stays
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			s, live := newShelf(hashOfTest), 0
			for hash := range uint64(10_000) {
				s.put(hash, testRecord(hash, 100))
			}
			for hash := range uint64(10_000) {
				if hash%keep != 0 {
					s.remove(hash)
				} else {
					live += 110
				}
			}
			held := 0
			for _, p := range s.pieces {
				if p == nil {
					continue
				}
				held += cap(p.data)
				for at := 0; at < len(p.data); {
					dead := p.data[at]&1 != 0
					record, size := p.record(at)
					if dead && len(bytes.Trim(record, "\x00")) > 0 {
						t.Fatal("a record that was removed can be read")
					}
					at += size
				}
			}
			if most := live*mostDead/(mostDead-1) + 3*pieceSize; held > most {
				t.Errorf("%d bytes for %d that live, want at most %d", held, live, most)
			}
		})
	}
}
