package natstest

import (
	"net"
	"sync"
)

// proxy passes TCP connections on to an address, until it is cut.
type proxy struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	gate  chan struct{} // closed while bytes may pass
	conns map[net.Conn]bool
}

func listen(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{to: to, listener: l, gate: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.gate)
	go p.accept()
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(in)
	}
}

func (p *proxy) serve(in net.Conn) {
	defer p.forget(in)
	p.remember(in)
	<-p.open()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer p.forget(out)
	p.remember(out)
	var both sync.WaitGroup
	both.Go(func() { p.pass(out, in) })
	both.Go(func() { p.pass(in, out) })
	both.Wait()
}

// pass copies until either side ends, and holds what it has while the proxy is cut.
func (p *proxy) pass(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		<-p.open()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) open() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate
}

func (p *proxy) remember(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

// cut lets no more byte through; connections stay open.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default: // cut already
	}
}

// heal ends the connections that were cut, so that both sides dial again: what
// was held is lost, as after a long outage.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		for c := range p.conns {
			_ = c.Close()
		}
		close(p.gate)
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}
