// Package limits bounds what strangers can make the HTTP side hold: open connections, the lines
// and bytes of headers, and the bytes of bodies.
package limits

import (
	"container/list"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// patience is how long a request waits for the bytes of a sender that was cut off.
const patience = time.Second

// smallRequest is how many bytes a request may hold to go before larger ones: a webhook and its header.
const smallRequest = 64 << 10

// Errors of Grant.ReadAll.
var (
	ErrTooLarge = errors.New("body is too large")
	ErrFull     = errors.New("too many bytes of other requests are held")
)

// Budget bounds the bytes that are held for all requests at one time. Where it is exhausted,
// the sender that has been sending its request for longest is cut off.
type Budget struct {
	mu     sync.Mutex
	free   int64
	ending int64 // bytes still held for senders that were cut off
	// queue are the requests that wait for bytes: small ones, then the others, each in their order.
	// What comes back is theirs alone.
	queue  list.List
	queued int64 // bytes that they wait for
	// changed is closed when a connection ends or can be cut off, while somebody waits for that.
	changed chan struct{}
	waiting int
	// senders are the connections of unknown senders, by when their request began, or when they
	// began to wait for one.
	senders list.List
}

// NewBudget makes a budget of so many bytes.
func NewBudget(size int64) *Budget {
	return &Budget{free: size, changed: make(chan struct{})}
}

// take reserves n bytes for a request on c, which is nil where the connection is not known.
func (b *Budget) take(n int64, c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeLocked(n, c)
}

func (b *Budget) takeLocked(n int64, c *conn) bool {
	switch {
	case c != nil && c.cut:
		return false
	case b.queued == 0 && n <= b.free:
		b.hold(n, c)
		return true
	default:
		return b.makeRoom(n, c) && b.turn(n, c)
	}
}

// small reports whether a connection that takes n more bytes holds few: a webhook does not wait
// behind those who send, or say that they send, hundreds of times as much.
func small(n int64, c *conn) bool { return c != nil && c.held+n <= smallRequest }

func (b *Budget) hold(n int64, c *conn) {
	b.free -= n
	if c != nil {
		c.held += n
	}
}

// makeRoom cuts senders off until n bytes come back beside those that others wait for; false where
// the senders that remain are being answered, or have been sending for a shorter time than c.
func (b *Budget) makeRoom(n int64, c *conn) bool {
	for b.queued+n > b.free+b.ending {
		if !b.cutOldest(c, func(o *conn) bool { return o.held > 0 && !o.busy }) {
			return false
		}
	}
	return true
}

// waiter is a request that waits for bytes.
type waiter struct {
	bytes   int64
	small   bool
	conn    *conn
	place   *list.Element // in the queue; nil: it was decided
	granted bool
	decided chan struct{}
}

// turn waits, with the lock released, until n bytes came back; false where they take too long, or c
// itself is cut off.
func (b *Budget) turn(n int64, c *conn) bool {
	w := &waiter{bytes: n, small: small(n, c), conn: c, decided: make(chan struct{})}
	w.place = b.enqueue(w)
	b.queued += n
	if c != nil {
		c.waiter = w
	}
	b.serve()
	b.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.decided:
	case <-timer.C:
	}
	b.mu.Lock()
	if w.place != nil {
		b.decide(w, false)
		b.serve()
	}
	return w.granted
}

func (b *Budget) enqueue(w *waiter) *list.Element {
	if w.small {
		for e := b.queue.Front(); e != nil; e = e.Next() {
			if !e.Value.(*waiter).small {
				return b.queue.InsertBefore(w, e)
			}
		}
	}
	return b.queue.PushBack(w)
}

// decide ends the waiting of w.
func (b *Budget) decide(w *waiter, granted bool) {
	b.queue.Remove(w.place)
	b.queued -= w.bytes
	w.place, w.granted = nil, granted
	if w.conn != nil {
		w.conn.waiter = nil
	}
	if granted {
		b.hold(w.bytes, w.conn)
	}
	close(w.decided)
}

// serve gives the free bytes to those who wait, in their order.
func (b *Budget) serve() {
	for e := b.queue.Front(); e != nil && e.Value.(*waiter).bytes <= b.free; e = b.queue.Front() {
		b.decide(e.Value.(*waiter), true)
	}
}

// await waits, with the lock released, until a connection ended or can be cut off; false when it is
// late or closed.
func (b *Budget) await(late <-chan time.Time, closed <-chan struct{}) bool {
	changed := b.changed
	b.waiting++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.waiting--
	}()
	select {
	case <-changed:
		return true
	case <-late:
		return false
	case <-closed:
		return false
	}
}

// cutOldest ends the reading from the sender that has been sending or waiting for longest, of
// those that match; false where that is c, or none.
func (b *Budget) cutOldest(c *conn, match func(*conn) bool) bool {
	for e := b.senders.Front(); e != nil; e = e.Next() {
		o := e.Value.(*conn)
		if o == c {
			return false
		}
		if match(o) {
			o.end()
			return true
		}
	}
	return false
}

func (b *Budget) give(n int64, c *conn) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveLocked(n, c)
}

func (b *Budget) giveLocked(n int64, c *conn) {
	b.free += n
	if c != nil {
		c.held -= n
		if c.cut {
			b.ending -= n
		}
	}
	b.serve()
}

func (b *Budget) notify() {
	if b.waiting > 0 {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// Grant is what one request holds of the budget. It grows with the bytes that really came, so
// that a declared length reserves nothing.
type Grant struct {
	budget *Budget
	conn   *conn
	held   int64
}

// Grant begins an empty grant for the request of a context.
func (b *Budget) Grant(ctx context.Context) *Grant {
	c, _ := ctx.Value(connKey{}).(*conn)
	return &Grant{budget: b, conn: c}
}

// Take takes n more bytes; false where the budget has no room.
func (g *Grant) Take(n int64) bool {
	if !g.budget.take(n, g.conn) {
		return false
	}
	g.held += n
	return true
}

// Release gives n bytes back.
func (g *Grant) Release(n int64) {
	g.budget.give(n, g.conn)
	g.held -= n
}

// Close gives everything back.
func (g *Grant) Close() { g.Release(g.held) }

const (
	minBuffer = 512
	maxHint   = 64 << 10 // a declared length beyond this has to arrive before it is believed
	believed  = 4        // one part in so many of it, then there is room for all
)

// ReadAll reads src, declared bytes or -1, to its end. It returns ErrTooLarge beyond the limit,
// ErrFull where the budget has no room, and the errors of src.
func (g *Grant) ReadAll(src io.Reader, declared, limit int64) ([]byte, error) {
	var buf []byte
	size := max(min(declared+1, maxHint), minBuffer)
	for {
		if len(buf) == cap(buf) {
			size = min(size, limit+1)
			if !g.Take(size) {
				return nil, ErrFull
			}
			old := int64(cap(buf))
			grown := make([]byte, len(buf), size)
			copy(grown, buf)
			buf = grown
			g.Release(old)
			if size *= 2; size < declared && size >= declared/believed {
				size = declared + 1
			}
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}
