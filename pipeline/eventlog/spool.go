package eventlog

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// Spool keeps the content of events in a temporary file, so that memory holds a
// few bytes of each. The zero value is empty.
type Spool struct {
	file *os.File
	out  *bufio.Writer
	size int64
}

// Content is the place of an event's content in a spool.
type Content struct {
	offset int64
	size   int
}

// Add appends the content of an event.
func (s *Spool) Add(data []byte) (c Content, err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "callwatch-backfill-*"); err != nil {
			return c, fmt.Errorf("spool events: %w", err)
		}
		s.out = bufio.NewWriterSize(s.file, BlockSize)
	}
	c = Content{offset: s.size, size: len(data)}
	if _, err := s.out.Write(data); err != nil {
		return c, fmt.Errorf("spool events: %w", err)
	}
	s.size += int64(len(data))
	return c, nil
}

// Flush makes everything that was added readable.
func (s *Spool) Flush() error {
	if s.out == nil {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("spool events: %w", err)
	}
	return nil
}

// Read reads the content of an event.
func (s *Spool) Read(c Content) ([]byte, error) {
	b := make([]byte, c.size)
	if _, err := s.file.ReadAt(b, c.offset); err != nil {
		return nil, fmt.Errorf("read spooled events: %w", err)
	}
	return b, nil
}

// Close removes the file.
func (s *Spool) Close() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
