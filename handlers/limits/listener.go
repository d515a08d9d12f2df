package limits

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// MaxHeaderLines bounds the lines of a request's header: one costs more memory than its bytes.
const MaxHeaderLines = 128

const (
	lineCost = 160 // bytes of memory for one line of a header, beside its text
	textCost = 2   // copies of the text of a header
)

var errHeaderLines = errors.New("the header has too many lines")

// Listener bounds the connections that are open at one time. Where one more comes, the one is
// cut off that has been sending its request, or waiting between requests, for longest.
type Listener struct {
	net.Listener
	budget *Budget
	most   int
	open   int // guarded by budget.mu
	cut    int // of those open, and about to end; guarded by budget.mu
	once   sync.Once
	closed chan struct{}
}

// Listen bounds a listener. Attach must be called on the server that uses it.
func (b *Budget) Listen(l net.Listener, most int) *Listener {
	return &Listener{Listener: l, budget: b, most: max(most, 1), closed: make(chan struct{})}
}

// Attach makes a server tell what its connections do.
func (l *Listener) Attach(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, plain(c))
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if c, ok := plain(c).(*conn); ok && state == http.StateIdle {
			c.idle()
		}
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			if r.ContentLength == 0 {
				c.received()
			} else {
				c.ended = true // it may have come with the request before
				r.Body = &body{r.Body, c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// plain is the connection below TLS.
func plain(c net.Conn) net.Conn {
	if secured, ok := c.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c
}

// Known says that the sender of a context's request is known: it is not cut off for others.
func Known(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.budget.mu.Lock()
		defer c.budget.mu.Unlock()
		c.leave()
	}
}

type connKey struct{}

// body notes that a request was received in full.
type body struct {
	io.ReadCloser
	conn *conn
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.conn.received()
	}
	return n, err
}

// Accept waits for a connection, and for a place.
func (l *Listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, listener: l, budget: l.budget}
	if !l.admit(c) {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *Listener) admit(c *conn) bool {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	var late <-chan time.Time
	for l.open >= l.most {
		if l.open-l.cut < l.most || b.cutOldest(c, func(o *conn) bool { return o.listener == l && !o.busy }) {
			if !b.await(nil, l.closed) { // one is about to end
				return false
			}
			continue
		}
		// All are being answered, most of them for milliseconds.
		if late == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			late = timer.C
		}
		if b.await(late, l.closed) {
			continue
		}
		select {
		case <-l.closed:
			return false
		default:
			b.cutOldest(c, func(o *conn) bool { return o.listener == l })
			late = nil
		}
	}
	l.open++
	c.place = b.senders.PushBack(c)
	return true
}

// Close ends Accept as well.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn is a connection of which it is known how far its request has come.
type conn struct {
	net.Conn
	listener *Listener
	budget   *Budget

	// The server reads from one goroutine at a time.
	lines int  // of the header, so far
	blank bool // the line that is read has had nothing yet
	ended bool // the header's last line came

	// Guarded by budget.mu.
	place   *list.Element // among the senders; nil: the sender is known
	held    int64         // bytes of the budget, those of grants included
	waiter  *waiter       // where it waits for more; nil: it does not
	charged int64         // of them for the header
	busy    bool          // the request was received
	cut     bool
	ending  bool // counted in listener.cut
	gone    bool
}

// end cuts the sender off: what reads from it fails as when its time is up.
func (c *conn) end() {
	c.cut = true
	c.budget.ending += c.held
	c.leave()
	if c.waiter != nil {
		c.budget.decide(c.waiter, false)
		c.budget.serve()
	}
	if c.busy {
		_ = c.Conn.SetDeadline(past) // it ends once its handler writes
		return
	}
	c.ending = true
	c.listener.cut++
	_ = c.Conn.SetReadDeadline(past)
}

var past = time.Unix(1, 0)

func (c *conn) leave() {
	if c.place != nil {
		c.budget.senders.Remove(c.place)
		c.place = nil
	}
}

// received notes that nothing more of the request is awaited.
func (c *conn) received() {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	c.busy = true
	c.budget.notify()
}

// idle notes that the request was answered.
func (c *conn) idle() {
	c.lines, c.blank, c.ended = 0, false, false
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	c.busy = false
	c.discharge()
	c.leave()
	if !c.cut && !c.gone {
		c.place = b.senders.PushBack(c)
		b.notify()
	}
}

func (c *conn) discharge() {
	c.budget.giveLocked(c.charged, c)
	c.charged = 0
}

func (c *conn) Read(p []byte) (int, error) {
	if c.isCut() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(p)
	if c.ended || n == 0 {
		return n, err
	}
	lines := c.count(p[:n])
	if c.lines > MaxHeaderLines {
		return 0, errHeaderLines
	}
	if !c.charge(textCost*int64(n) + lineCost*int64(lines)) {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

func (c *conn) isCut() bool {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	return c.cut
}

// charge takes the cost of a part of the header from the budget. With its first bytes the
// request begins.
func (c *conn) charge(cost int64) bool {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	if c.charged == 0 && c.place != nil {
		c.budget.senders.MoveToBack(c.place)
	}
	if !c.budget.takeLocked(cost, c) {
		return false
	}
	c.charged += cost
	return true
}

// count counts the lines of the header in p.
func (c *conn) count(p []byte) (lines int) {
	for _, b := range p {
		switch {
		case b == '\n' && c.blank:
			c.ended = true
			return lines
		case b == '\n':
			lines++
			c.lines++
			c.blank = true
		case b != '\r':
			c.blank = false
		}
	}
	return lines
}

// SetReadDeadline does nothing on a connection that was cut off.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetReadDeadline, t) }

// SetWriteDeadline does nothing on a connection that was cut off while it was answered.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetWriteDeadline, t) }

// SetDeadline does nothing on a connection that was cut off.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetDeadline, t) }

func (c *conn) setDeadline(set func(time.Time) error, t time.Time) error {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	if c.cut {
		return nil
	}
	return set(t)
}

// CloseWrite lets the server end an answer before it stops reading.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close gives the place to another connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.gone {
		return err
	}
	c.gone = true
	c.leave()
	c.discharge()
	c.listener.open--
	if c.ending {
		c.listener.cut--
	}
	b.notify()
	return err
}
