package eventlog

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"callwatch/call"
)

// runs sort more events than memory should hold: runs of sorted events in a
// temporary file, which are merged when they are read. The zero value is empty.
type runs struct {
	file *os.File
	ends []int64 // of each run, in the file
}

// add writes a run. Events with the same time stay in their order.
func (r *runs) add(events []Moment) (err error) {
	if r.file == nil {
		if r.file, err = os.CreateTemp("", "callwatch-sort-*"); err != nil {
			return fmt.Errorf("sort events: %w", err)
		}
	}
	slices.SortStableFunc(events, func(a, b Moment) int { return a.At.Compare(b.At) })
	out := bufio.NewWriterSize(r.file, BlockSize)
	size := r.end()
	for _, m := range events {
		data, err := json.Marshal(m.Event)
		if err != nil {
			return fmt.Errorf("sort events: %w", err)
		}
		head := binary.AppendVarint(nil, m.At.Unix())
		head = binary.AppendUvarint(head, uint64(m.At.Nanosecond())) //nolint:gosec // below a second
		head = binary.AppendUvarint(head, uint64(len(data)))
		size += int64(len(head) + len(data))
		if _, err := out.Write(append(head, data...)); err != nil {
			return fmt.Errorf("sort events: %w", err)
		}
	}
	r.ends = append(r.ends, size)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("sort events: %w", err)
	}
	return nil
}

func (r *runs) end() int64 {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// each passes on all events in the order of their times.
func (r *runs) each(fn func(Moment) error) error {
	var h runHeap
	from := int64(0)
	for i, end := range r.ends {
		next := &runReader{number: i, in: bufio.NewReaderSize(io.NewSectionReader(r.file, from, end-from), 16<<10)}
		from = end
		if err := next.advance(); err == nil {
			h = append(h, next)
		} else if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read sorted events: %w", err)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		first := h[0]
		if err := fn(first.moment); err != nil {
			return err
		}
		switch err := first.advance(); {
		case err == nil:
			heap.Fix(&h, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&h)
		default:
			return fmt.Errorf("read sorted events: %w", err)
		}
	}
	return nil
}

// close removes the file.
func (r *runs) close() error {
	if r.file == nil {
		return nil
	}
	return errors.Join(r.file.Close(), os.Remove(r.file.Name()))
}

// runReader reads one run; moment is its first event that was not passed on.
type runReader struct {
	number int
	in     *bufio.Reader
	moment Moment
}

// advance reads the next event; io.EOF at the end of the run.
func (r *runReader) advance() error {
	seconds, err := binary.ReadVarint(r.in)
	if err != nil {
		return err
	}
	nanos, err := binary.ReadUvarint(r.in)
	if err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	size, err := binary.ReadUvarint(r.in)
	if err != nil || size > 2*MaxLine {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r.in, data); err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	r.moment = Moment{At: time.Unix(seconds, int64(nanos)).UTC()} //nolint:gosec // written above
	if string(data) == "null" {
		return nil
	}
	r.moment.Event = &call.Event{}
	return Decode(data, true, r.moment.Event)
}

type runHeap []*runReader

func (h runHeap) Len() int      { return len(h) }
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h runHeap) Less(i, j int) bool {
	if n := h[i].moment.At.Compare(h[j].moment.At); n != 0 {
		return n < 0
	}
	return h[i].number < h[j].number
}
func (h *runHeap) Push(x any) { *h = append(*h, x.(*runReader)) }
func (h *runHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
