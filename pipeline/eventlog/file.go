package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

const (
	// BlockSize is the size of the parts in which a text is read, in bytes.
	BlockSize = 256 << 10
	// MaxLine is the size of the largest event in a text, in bytes.
	MaxLine = 4 << 20
)

// Block is a part of a text of events.
type Block struct {
	Data []byte // whole lines, or one element of an array
	Line int    // number of the first line, or of the element; from 1
	Unit string // "line" or "element"
}

// File is a text of events: lines of JSON or one JSON array, plain or gzip.
type File struct {
	Name string // in messages
	In   io.Reader
	Log  *slog.Logger
	// Raw decodes the providers' own members too.
	Raw bool
	// Progress receives the number of bytes read; nil for nobody.
	Progress func(read int64)
	// AnyOrder passes the events of a large file on as they come.
	AnyOrder bool
	// Restart is called when a large file turns out not to be in order: its events
	// are passed on again from the first. nil: it is sorted before any is passed on.
	Restart func()
}

// Each passes the events of the file on in the order of their times. A line that
// is not an event stops it with a ReadError: totals over an incomplete file would be
// silently wrong.
func (f *File) Each(ctx context.Context, fn func(Moment) error) error {
	in, seeks := f.In.(io.ReadSeeker)
	order := Sorted
	if f.AnyOrder {
		order = AnyOrder
	} else if seeks && f.Restart != nil {
		order = Expected
	}
	err := f.each(ctx, order, fn)
	if !errors.Is(err, ErrOutOfOrder) {
		return err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read events again: %w", err)
	}
	f.Restart()
	return f.each(ctx, Sorted, fn)
}

func (f *File) each(ctx context.Context, order Order, fn func(Moment) error) (err error) {
	counted := &CountingReader{In: f.In, Told: f.Progress}
	text, err := PlainText(counted)
	if err != nil {
		return &ReadError{err}
	}
	seq := NewSequence(f.Name, f.Log, order, fn)
	defer func() { err = errors.Join(err, seq.Close()) }()
	err = Parallel(ctx,
		func(_ context.Context, put func(Block) error) error { return Blocks(text, put) },
		f.decode,
		func(ms []Moment) error {
			for _, m := range ms {
				if err := seq.Take(m); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	return seq.End()
}

// ReadError says what is wrong with a text.
type ReadError struct{ error }

func (e *ReadError) Unwrap() error { return e.error }

// CountingReader counts the bytes that are read through it.
type CountingReader struct {
	In   io.Reader
	Told func(read int64) // after each read; nil for nobody

	n atomic.Int64
}

func (c *CountingReader) Read(p []byte) (int, error) {
	n, err := c.In.Read(p)
	if all := c.n.Add(int64(n)); c.Told != nil {
		c.Told(all)
	}
	return n, err
}

// Count is the number of bytes read so far.
func (c *CountingReader) Count() int64 { return c.n.Load() }

// PlainText unpacks a text that begins as gzip does.
func PlainText(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, BlockSize)
	if magic, _ := b.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return bufio.NewReaderSize(z, BlockSize), nil
}

// Blocks cuts a text into blocks of whole lines, or of elements if it is a JSON
// array.
func Blocks(r *bufio.Reader, put func(Block) error) error {
	for n := 1; ; n++ {
		head, err := r.Peek(n)
		if err != nil {
			break
		}
		if c := head[n-1]; c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		} else if c == '[' {
			return elements(r, put)
		}
		break
	}
	next := 1
	var rest []byte
	for {
		data := make([]byte, len(rest), len(rest)+BlockSize)
		copy(data, rest)
		n, err := io.ReadFull(r, data[len(rest):cap(data)])
		data = data[:len(rest)+n]
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && atEnd(r)
		if err != nil && !ended {
			return &ReadError{fmt.Errorf("after line %d: %w", next+bytes.Count(data, []byte{'\n'}), err)}
		}
		cut := bytes.LastIndexByte(data, '\n') + 1
		if ended {
			cut = len(data)
		}
		rest = data[cut:]
		if len(rest) > MaxLine {
			return &ReadError{fmt.Errorf("line %d is longer than %d bytes", next+bytes.Count(data[:cut], []byte{'\n'}), MaxLine)}
		}
		if cut > 0 {
			if err := put(Block{Data: data[:cut], Line: next, Unit: "line"}); err != nil {
				return err
			}
		}
		next += bytes.Count(data[:cut], []byte{'\n'})
		if ended {
			return nil
		}
	}
}

// atEnd distinguishes the end of the text from a truncated gzip stream.
func atEnd(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return errors.Is(err, io.EOF)
}

func elements(r *bufio.Reader, put func(Block) error) error {
	bounded := &boundedReader{r: r, left: MaxLine}
	d := json.NewDecoder(bounded)
	if _, err := d.Token(); err != nil {
		return &ReadError{err}
	}
	for n := 1; d.More(); n++ {
		bounded.left = MaxLine + BlockSize
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return &ReadError{fmt.Errorf("element %d: %w", n, err)}
		}
		if err := put(Block{Data: raw, Line: n, Unit: "element"}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return &ReadError{fmt.Errorf("the array does not end: %w", err)}
	}
	return nil
}

// boundedReader fails where an element of an array has no end.
type boundedReader struct {
	r    io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("longer than %d bytes", MaxLine)
	}
	n, err := b.r.Read(p[:min(len(p), BlockSize)])
	b.left -= n
	return n, err
}

func (f *File) decode(b Block) ([]Moment, error) {
	var out []Moment
	decode := func(n int, data []byte) error {
		m, err := decodeForeign(data, f.Raw)
		if err != nil {
			return &ReadError{fmt.Errorf("%s %d: %w", b.Unit, n, err)}
		}
		out = append(out, m)
		return nil
	}
	if b.Unit == "element" {
		return out, decode(b.Line, b.Data)
	}
	n := b.Line
	for line := range bytes.Lines(b.Data) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := decode(n, line); err != nil {
				return nil, err
			}
		}
		n++
	}
	return out, nil
}
