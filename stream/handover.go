package stream

import "sync"

const (
	// handoverSize bounds what is held for the reader, in bytes.
	handoverSize = 16 << 20
	// recordOverhead is what a record takes beside its body, about.
	recordOverhead = 512
)

// handover passes frames on to the reader of RAW in the same process, as soon as
// they are durable: it need not fetch, check and decompress what was here a moment
// ago. There is room for a bounded part of them; the others it reads from the
// server, as it does with whatever it finds missing here.
type handover struct {
	mu     sync.Mutex
	taken  bool     // there is a reader
	frames []handed // in order, those of the server's that are not here left out
	size   int      // of the frames, in bytes
	last   uint64   // the latest sequence known to be stored
	wake   chan struct{}
}

type handed struct {
	seq     uint64
	records []Record
	size    int
}

func newHandover() *handover { return &handover{wake: make(chan struct{}, 1)} }

// claim makes the caller the reader, unless there is one.
func (h *handover) claim() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken {
		return false
	}
	h.taken = true
	return true
}

func (h *handover) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken, h.frames, h.size = false, nil, 0
}

// offer passes on a frame that was stored; one without records is a probe.
func (h *handover) offer(seq uint64, frame []*waiter) {
	size := 0
	for _, w := range frame {
		size += len(w.record.Body) + recordOverhead
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken && (h.size+size <= handoverSize || len(h.frames) == 0) {
		records := make([]Record, len(frame))
		for i, w := range frame {
			records[i] = w.record.AsStored(Position{Seq: seq, Index: i})
		}
		h.insert(handed{seq, records, size})
	}
	h.stored(seq)
}

// note says that a message was stored that only the server has.
func (h *handover) note(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored(seq)
}

func (h *handover) stored(seq uint64) {
	h.last = max(h.last, seq)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// insert keeps the order: two who write are not told in the order of their sequences.
func (h *handover) insert(f handed) {
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
func (h *handover) drop(seq uint64) {
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
func (h *handover) has(seq uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.firstFrom(seq) == seq
}

// firstFrom lets go of the frames before a sequence, and is that of the first one
// left; 0 where there is none. The lock is held.
func (h *handover) firstFrom(seq uint64) uint64 {
	for len(h.frames) > 0 {
		if h.frames[0].seq >= seq {
			return h.frames[0].seq
		}
		h.pop()
	}
	return 0
}

func (h *handover) pop() handed {
	f := h.frames[0]
	h.frames[0] = handed{} // the array outlives it
	h.frames, h.size = h.frames[1:], h.size-f.size
	return f
}

// take is the frame at a sequence, and more whether the one behind it is here too.
// The frame's sequence is 0 where it is not here; then behind says whether the
// server has it.
func (h *handover) take(seq uint64) (f handed, more, behind bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.firstFrom(seq) != seq {
		return handed{}, false, h.last >= seq
	}
	f = h.pop()
	return f, h.firstFrom(seq+1) == seq+1, false
}
