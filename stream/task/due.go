package task

import (
	"container/heap"
	"context"
	"time"
)

// longestNap bounds a wait, so that a step of the clock is noticed.
const longestNap = time.Second

// FollowDue hands in the tasks of a topic when they are due, those that became
// due before it was called at once, until ctx ends or fn fails; it returns their
// error. A task that is neither followed nor finished comes again at the next
// call. What is waited for is an index of the log, made again at each call.
func (s *Schedule) FollowDue(ctx context.Context, topic string, fn func(Due) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	news := make(chan Due, tasksAtOnce)
	read := make(chan struct{})
	defer func() { stop(nil); <-read }()
	go func() {
		defer close(read)
		c := s.taskCursor(topic, func(d Due) error {
			select {
			case news <- d:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		stop(c.Run(ctx))
	}()
	w := waiting{latest: map[string]uint64{}}
	for {
		nap := longestNap
		if len(w.heap) > 0 {
			nap = min(nap, time.Until(w.heap[0].At))
		}
		if nap <= 0 && len(news) == 0 { // what is at hand may have taken its place
			d := heap.Pop(&w.heap).(Due)
			if w.latest[d.Key] == d.seq {
				if err := fn(d); err != nil {
					return err
				}
			}
			continue
		}
		timer := time.NewTimer(max(nap, 0))
		select {
		case d := <-news:
			w.take(d)
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// waiting are the tasks whose time has not come.
type waiting struct {
	heap   dueHeap
	latest map[string]uint64 // sequence of the last message of each key
}

func (w *waiting) take(d Due) {
	if d.At.IsZero() {
		delete(w.latest, d.Key)
		return
	}
	w.latest[d.Key] = d.seq
	heap.Push(&w.heap, d)
}

type dueHeap []Due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].At.Before(h[j].At) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are for package heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(Due)) }

func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
