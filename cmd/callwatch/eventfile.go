package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

const (
	blockSize = 256 << 10
	maxLine   = maxBody // of one event, in bytes
)

// block is a part of a file of events.
type block struct {
	data []byte // whole lines, or one element of an array
	line int    // number of the first line, or of the element; from 1
	unit string // "line" or "element"
}

// eachOfFile reads events from a file. A line that is no event ends it: numbers
// of a file with holes would be wrong without anyone noticing.
func (s *source) eachOfFile(ctx context.Context, fn func(moment) error) error {
	in, size := s.stdin, int64(0)
	if s.flags.events != "-" {
		f, err := os.Open(s.flags.events)
		if err != nil {
			return usage(fmt.Errorf("--events: %w", err))
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	counted := &countingReader{r: in}
	text, err := plainText(counted)
	if err != nil {
		return problems(fmt.Errorf("%s: %w", s.flags.events, err))
	}
	line := sequence{fn: fn, log: s.log, name: s.flags.events}
	err = inOrder(ctx,
		func(_ context.Context, put func(block) error) error {
			return blocks(text, func(b block) error {
				s.progress.at(counted.n.Load(), size)
				return put(b)
			})
		},
		s.decodeBlock,
		func(ms []moment) error {
			for _, m := range ms {
				if err := line.take(m); err != nil {
					return err
				}
			}
			return nil
		})
	var reading *readError
	switch {
	case errors.As(err, &reading):
		return problems(fmt.Errorf("%s: %w", s.flags.events, err))
	case err != nil:
		return err
	}
	return line.end()
}

// readError is what is wrong with a file.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

type countingReader struct {
	r    io.Reader
	n    atomic.Int64
	told func(n int64) // after each read; nil for nobody
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if all := c.n.Add(int64(n)); c.told != nil {
		c.told(all)
	}
	return n, err
}

// plainText unpacks what begins as gzip does.
func plainText(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, blockSize)
	if magic, _ := b.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return bufio.NewReaderSize(z, blockSize), nil
}

// blocks cuts a text into blocks of whole lines, or of elements where it is a
// JSON array.
func blocks(r *bufio.Reader, put func(block) error) error {
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
		data := make([]byte, len(rest), len(rest)+blockSize)
		copy(data, rest)
		n, err := io.ReadFull(r, data[len(rest):cap(data)])
		data = data[:len(rest)+n]
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && atEnd(r)
		if err != nil && !ended {
			return &readError{fmt.Errorf("after line %d: %w", next+bytes.Count(data, []byte{'\n'}), err)}
		}
		cut := bytes.LastIndexByte(data, '\n') + 1
		if ended {
			cut = len(data)
		}
		rest = data[cut:]
		if len(rest) > maxLine {
			return &readError{fmt.Errorf("line %d is longer than %d bytes", next+bytes.Count(data[:cut], []byte{'\n'}), maxLine)}
		}
		if cut > 0 {
			if err := put(block{data: data[:cut], line: next, unit: "line"}); err != nil {
				return err
			}
		}
		next += bytes.Count(data[:cut], []byte{'\n'})
		if ended {
			return nil
		}
	}
}

// atEnd tells a text that has ended from one that was cut off while unpacking.
func atEnd(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return errors.Is(err, io.EOF)
}

func elements(r *bufio.Reader, put func(block) error) error {
	bounded := &boundedReader{r: r, left: maxLine}
	d := json.NewDecoder(bounded)
	if _, err := d.Token(); err != nil {
		return &readError{err}
	}
	for n := 1; d.More(); n++ {
		bounded.left = maxLine + blockSize
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return &readError{fmt.Errorf("element %d: %w", n, err)}
		}
		if err := put(block{data: raw, line: n, unit: "element"}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return &readError{fmt.Errorf("the array does not end: %w", err)}
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
		return 0, fmt.Errorf("longer than %d bytes", maxLine)
	}
	n, err := b.r.Read(p[:min(len(p), blockSize)])
	b.left -= n
	return n, err
}

func (s *source) decodeBlock(b block) ([]moment, error) {
	var out []moment
	decode := func(n int, data []byte) error {
		m, err := decodeForeign(data, s.raw)
		if err != nil {
			return &readError{fmt.Errorf("%s %d: %w", b.unit, n, err)}
		}
		out = append(out, m)
		return nil
	}
	if b.unit == "element" {
		return out, decode(b.line, b.data)
	}
	n := b.line
	for line := range bytes.Lines(b.data) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := decode(n, line); err != nil {
				return nil, err
			}
		}
		n++
	}
	return out, nil
}
