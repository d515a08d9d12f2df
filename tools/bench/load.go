package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maker writes the n-th request of a load into buf, from the request line to the
// end of the body, and returns it. It is called by many goroutines at once.
type maker func(buf []byte, n uint64) []byte

// load is one closed-loop load: each connection sends its next request when the
// last one is answered. It speaks just enough HTTP/1.1 to cost little beside the
// server it shares the machine with.
type load struct {
	addr  string
	conns int
	make  maker
	next  func() uint64 // numbers requests
	rate  float64       // requests a second in all; 0: as many as can be
}

// result is how a load went.
type result struct {
	answered int
	took     time.Duration
	waits    []time.Duration // of each answered request, sorted
	refused  map[int]int     // other answers than 200, by status
}

func (r result) rate() float64 { return float64(r.answered) / r.took.Seconds() }

// quantile is the wait that a share q of the requests stayed below.
func (r result) quantile(q float64) time.Duration {
	if len(r.waits) == 0 {
		return 0
	}
	return r.waits[min(len(r.waits)-1, int(q*float64(len(r.waits))))]
}

// run loads the server for a time.
func (l load) run(ctx context.Context, d time.Duration) (result, error) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var mu sync.Mutex
	all := result{refused: map[int]int{}}
	var failed error
	var group sync.WaitGroup
	begun := time.Now()
	for i := range l.conns {
		group.Go(func() {
			one, err := l.connection(ctx, i, begun)
			mu.Lock()
			defer mu.Unlock()
			all.answered += one.answered
			all.waits = append(all.waits, one.waits...)
			for status, n := range one.refused {
				all.refused[status] += n
			}
			if err != nil && ctx.Err() == nil {
				failed = errors.Join(failed, err)
			}
		})
	}
	group.Wait()
	all.took = time.Since(begun)
	slices.Sort(all.waits)
	if failed != nil {
		return all, failed
	}
	if len(all.refused) > 0 {
		return all, fmt.Errorf("answers other than 200: %v", all.refused)
	}
	return all, nil
}

func (l load) connection(ctx context.Context, i int, begun time.Time) (result, error) {
	r := result{refused: map[int]int{}}
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return r, err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 4096)
	var buf []byte
	var gap time.Duration
	if l.rate > 0 {
		gap = time.Duration(float64(l.conns) / l.rate * float64(time.Second))
	}
	due := begun.Add(gap * time.Duration(i) / time.Duration(l.conns))
	for ctx.Err() == nil {
		if l.rate > 0 {
			select {
			case <-ctx.Done():
				return r, nil
			case <-time.After(time.Until(due)):
			}
			due = due.Add(gap)
		}
		buf = l.make(buf[:0], l.next())
		sent := time.Now()
		if _, err := conn.Write(buf); err != nil {
			return r, fmt.Errorf("send: %w", err)
		}
		status, err := readAnswer(in)
		if err != nil {
			return r, fmt.Errorf("read the answer: %w", err)
		}
		if status != 200 {
			r.refused[status]++
			continue
		}
		r.answered++
		r.waits = append(r.waits, time.Since(sent))
	}
	return r, nil
}

// readAnswer reads one answer with a Content-Length and drops its body.
func readAnswer(in *bufio.Reader) (status int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, errors.New("no status line")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, errors.New("no status")
	}
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	_, err = in.Discard(length)
	return status, err
}
