package pipeline

import (
	"container/list"
	"context"
	"sync"
	"time"

	"callwatch/normalizer"
)

// maxSeen is how many requests are remembered: about 10 MB.
const maxSeen = 32_768

// replays remembers the requests that were stored, those seen last. It is in memory
// alone: after a start a request may be stored once more.
type replays struct {
	mu     sync.Mutex
	most   int
	byID   map[normalizer.Digest]*list.Element
	latest *list.List // of *seenRequest, the one seen last in front
}

// seenRequest is a request that is being stored, or was.
type seenRequest struct {
	digest normalizer.Digest
	at     time.Time     // received
	stored chan struct{} // closed when id and err are set
	id     string
	err    error
}

func newReplays(most int) *replays {
	return &replays{most: most, byID: map[normalizer.Digest]*list.Element{}, latest: list.New()}
}

// once stores a request unless the same was stored within its tolerance, and returns
// the id of the stored one; before reports that it was an earlier one. While the first
// is being stored the others wait for it; if that fails the next one stores.
func (r *replays) once(ctx context.Context, q normalizer.Identity, now time.Time, store func() (string, error)) (id string, before bool, err error) {
	for {
		first, mine := r.find(q, now)
		if mine {
			id, err = r.keep(first, store)
			return id, false, err
		}
		select {
		case <-first.stored:
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
		if first.err == nil {
			return first.id, true, nil
		}
	}
}

// find is the same request where one is remembered; else the caller's is remembered
// and the caller has to store it.
func (r *replays) find(q normalizer.Identity, now time.Time) (s *seenRequest, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[q.Digest]; e != nil {
		s = e.Value.(*seenRequest)
		if now.Sub(s.at) < q.Within {
			r.latest.MoveToFront(e)
			return s, false
		}
		r.drop(e)
	}
	for r.latest.Len() >= r.most {
		r.drop(r.latest.Back())
	}
	s = &seenRequest{digest: q.Digest, at: now, stored: make(chan struct{})}
	r.byID[q.Digest] = r.latest.PushFront(s)
	return s, true
}

// keep stores a request and lets those that wait for it know. One that is not stored
// is forgotten.
func (r *replays) keep(s *seenRequest, store func() (string, error)) (string, error) {
	s.err = context.Canceled // should store panic
	defer func() {
		if s.err != nil {
			r.mu.Lock()
			if e := r.byID[s.digest]; e != nil && e.Value == s {
				r.drop(e)
			}
			r.mu.Unlock()
		}
		close(s.stored)
	}()
	s.id, s.err = store()
	return s.id, s.err
}

func (r *replays) drop(e *list.Element) {
	delete(r.byID, e.Value.(*seenRequest).digest)
	r.latest.Remove(e)
}
