package limits

import (
	"net"
	"sync"
	"testing"
	"time"
)

// sender makes the connection of a sender that holds so many bytes.
func sender(t *testing.T, l *Listener, held int64) *conn {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	c := &conn{Conn: near, listener: l, budget: l.budget}
	l.budget.mu.Lock()
	defer l.budget.mu.Unlock()
	c.place = l.budget.senders.PushBack(c)
	if held > 0 && !l.budget.takeLocked(held, c) {
		t.Fatal("no room for the sender's first bytes")
	}
	return c
}

func await(t *testing.T, b *Budget, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		done := ok()
		b.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// For each request that waits for bytes a sender is cut off, however many wait: they do not wait for
// each other.
func TestRoomForEachThatWaits(t *testing.T) {
	t.Parallel()
	const waiting = 10
	b := NewBudget(50)
	l := &Listener{budget: b}
	var old []*conn
	for range 50 {
		old = append(old, sender(t, l, 1))
	}
	var wg sync.WaitGroup
	for range waiting {
		c := sender(t, l, 0)
		wg.Go(func() {
			if !b.take(1, c) {
				t.Error("no room")
			}
		})
	}
	await(t, b, "ten wait", func() bool { return b.queue.Len() == waiting })
	cut := 0
	b.mu.Lock()
	for _, c := range old {
		if c.cut {
			cut++
		}
	}
	b.mu.Unlock()
	if cut != waiting {
		t.Errorf("%d senders are cut off for %d that wait", cut, waiting)
	}
	for _, c := range old[:waiting] {
		b.give(1, c)
	}
	wg.Wait()
	if b.free != 0 || b.ending != 0 || b.queued != 0 {
		t.Errorf("free %d, ending %d, queued %d, want nothing", b.free, b.ending, b.queued)
	}
}

// A sender that is cut off while it waits for more gives up at once what it holds.
func TestCutWhileWaiting(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	l := &Listener{budget: b}
	first, second, third := sender(t, l, 60), sender(t, l, 40), sender(t, l, 0)
	took := func(n int64, c *conn) <-chan bool {
		ok := make(chan bool, 1)
		go func() { ok <- b.take(n, c) }()
		return ok
	}
	more := took(10, second)
	await(t, b, "the second waits", func() bool { return first.cut && b.queue.Len() == 1 })
	begun := time.Now()
	late := took(80, third)
	if <-more {
		t.Error("a sender that was cut off got more")
	}
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("it gave up after %v", took)
	}
	b.give(40, second)
	b.give(60, first)
	if !<-late {
		t.Error("what came back is not given to the one that waits")
	}
}

// What comes back goes to those that wait, in their order: one that comes later does not overtake.
func TestBytesInTurn(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	l := &Listener{budget: b}
	old, large, small := sender(t, l, 100), sender(t, l, 0), sender(t, l, 0)
	got := make(chan int64, 2)
	take := func(n int64, c *conn) {
		if !b.take(n, c) {
			n = 0
		}
		got <- n
	}
	go take(90, large)
	await(t, b, "one waits", func() bool { return b.queue.Len() == 1 })
	go take(10, small)
	await(t, b, "two wait", func() bool { return b.queue.Len() == 2 })
	b.give(20, old)
	if b.queue.Len() != 2 {
		t.Error("the second was served before the first")
	}
	b.give(80, old)
	if a, b := <-got, <-got; a+b != 100 {
		t.Errorf("they got %d and %d", a, b)
	}
}

// A small request takes what is free at once, or what comes back first, also where large ones wait: those
// are in their order.
func TestSmallRequestGoesFirst(t *testing.T) {
	t.Parallel()
	const large = 4 * smallRequest
	b := NewBudget(large + smallRequest + 10)
	l := &Listener{budget: b}
	old := sender(t, l, large+smallRequest)
	waiting := func(n int64) <-chan bool {
		before := b.queue.Len()
		ok, c := make(chan bool, 1), sender(t, l, 0)
		go func() { ok <- b.take(n, c) }()
		await(t, b, "one more waits", func() bool { return b.queue.Len() == before+1 })
		return ok
	}
	first := waiting(large / 2)
	if begun := time.Now(); !b.take(10, sender(t, l, 0)) || time.Since(begun) > patience/2 {
		t.Error("a small request waits though it has room")
	}
	later := waiting(large / 2)
	small := waiting(smallRequest)
	b.give(smallRequest, old)
	if !<-small {
		t.Error("a small request has no turn")
	}
	if len(first) > 0 {
		t.Error("a large request is served of what is too little for it")
	}
	b.give(large/2, old)
	if !<-first {
		t.Error("the first of the large requests has no turn")
	}
	if len(later) > 0 {
		t.Error("the later of the large requests is served of what is not free")
	}
	b.give(large/2, old)
	if !<-later {
		t.Error("the later of the large requests has no turn")
	}
}
