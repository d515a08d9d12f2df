package raw

import (
	"sync"

	"callwatch/stream/frame"
)

const (
	// handoverSize bounds what is held for the reader, in bytes.
	handoverSize = 16 << 20
	// recordOverhead is what a record takes beside its body, about.
	recordOverhead = 512
)

// Handover passes frames on to the reader of RAW in the same process, as soon as
// they are durable: it need not fetch, check and decompress what was here a moment
// ago. There is room for a bounded part of them; the others it reads from the
// server, as it does with whatever it finds missing here.
type Handover struct {
	mu     sync.Mutex
	taken  bool     // there is a reader
	frames []handed // in order, those of the server's that are not here left out
	size   int      // of the frames, in bytes
	last   uint64   // the latest sequence known to be stored
	wake   chan struct{}
}

type handed struct {
	seq     uint64
	records []frame.Record
	size    int
}

// NewHandover returns a handover without frames and without a reader.
func NewHandover() *Handover { return &Handover{wake: make(chan struct{}, 1)} }

// claim makes the caller the reader, unless there is one.
func (h *Handover) claim() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken {
		return false
	}
	h.taken = true
	return true
}

func (h *Handover) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken, h.frames, h.size = false, nil, 0
}

// Offer passes on a frame of n records that was stored; one without records is a probe.
func (h *Handover) Offer(seq uint64, n int, record func(i int) *frame.Record) {
	size := 0
	for i := range n {
		size += len(record(i).Body) + recordOverhead
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken && (h.size+size <= handoverSize || len(h.frames) == 0) {
		records := make([]frame.Record, n)
		for i := range records {
			records[i] = record(i).AsStored(frame.Position{Seq: seq, Index: i})
		}
		h.insert(handed{seq, records, size})
	}
	h.stored(seq)
}

// Note says that a message was stored that only the server has.
func (h *Handover) Note(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored(seq)
}

func (h *Handover) stored(seq uint64) {
	h.last = max(h.last, seq)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// insert keeps the order: two who write are not told in the order of their sequences.
func (h *Handover) insert(f handed) {
	at := len(h.frames)
	for at > 0 && h.frames[at-1].seq > f.seq {
		at--
	}
	h.frames = append(h.frames, handed{})
	copy(h.frames[at+1:], h.frames[at:])
	h.frames[at] = f
	h.size += f.size
}

// drop lets go of a frame that is to be read from the server: a part of it is erased.
func (h *Handover) drop(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, f := range h.frames {
		if f.seq == seq {
			h.size -= f.size
			h.frames = append(h.frames[:i:i], h.frames[i+1:]...)
			return
		}
	}
}

// has says whether a frame is here. The reader has passed those before it.
func (h *Handover) has(seq uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.firstFrom(seq) == seq
}

// firstFrom lets go of the frames before a sequence, and is that of the first one
// left; 0 where there is none. The lock is held.
func (h *Handover) firstFrom(seq uint64) uint64 {
	for len(h.frames) > 0 {
		if h.frames[0].seq >= seq {
			return h.frames[0].seq
		}
		h.pop()
	}
	return 0
}

func (h *Handover) pop() handed {
	f := h.frames[0]
	h.frames[0] = handed{} // the array outlives it
	h.frames, h.size = h.frames[1:], h.size-f.size
	return f
}

// take is the frame at a sequence, and more whether the one behind it is here too.
// The frame's sequence is 0 where it is not here; then behind says whether the
// server has it.
func (h *Handover) take(seq uint64) (f handed, more, behind bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.firstFrom(seq) != seq {
		return handed{}, false, h.last >= seq
	}
	f = h.pop()
	return f, h.firstFrom(seq+1) == seq+1, false
}
