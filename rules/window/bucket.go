package window

import (
	"slices"

	"callwatch/rules/condition"
)

// buckets are the figures of one key, a ring by the buckets' numbers.
type buckets struct {
	Head     int64            `json:"head"` // number of the newest
	Counts   []uint32         `json:"counts"`
	Sums     []float64        `json:"sums,omitempty"`
	Sketches []sketch         `json:"sketches,omitempty"`
	Sets     []distinctValues `json:"sets,omitempty"`
}

func newBuckets(s *shape, head int64) *buckets {
	return &buckets{
		Head: head, Counts: make([]uint32, s.ring*s.counts), Sums: makeSome[float64](s.ring * s.sums),
		Sketches: makeSome[sketch](s.ring * s.sketches), Sets: makeSome[distinctValues](s.sets),
	}
}

func makeSome[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, n)
}

// advance moves the newest bucket on, emptying those that leave the ring.
func (b *buckets) advance(s *shape, head int64) {
	if head-b.Head > int64(s.ring) {
		b.Head = head - int64(s.ring)
	}
	for b.Head < head {
		b.Head++
		p := s.place(b.Head)
		clear(b.Counts[p*s.counts : (p+1)*s.counts])
		clear(b.Sums[p*s.sums : (p+1)*s.sums])
		for i := p * s.sketches; i < (p+1)*s.sketches; i++ {
			b.Sketches[i] = sketch{}
		}
		for i := range b.Sets {
			b.Sets[i].forget(p)
		}
	}
}

// add counts one call in the bucket of a number, which the ring holds.
func (b *buckets) add(w *Spec, number int64, readings []Reading) {
	b.gather(w, number, readings)
	b.count(w, number, readings, 1)
}

// join counts a further leg of a session that is in the bucket already, which said
// one thing and says another now.
func (b *buckets) join(w *Spec, number int64, leg, was, is []Reading) {
	b.gather(w, number, leg)
	if !slices.Equal(was, is) {
		b.count(w, number, was, -1)
		b.count(w, number, is, 1)
	}
}

// gather takes in what is of single calls, also where sessions are counted: totals,
// the smallest and largest values, and which values there are.
func (b *buckets) gather(w *Spec, number int64, readings []Reading) {
	s := &w.shape
	p := s.place(number)
	counts, sums := b.Counts[p*s.counts:(p+1)*s.counts], b.Sums[p*s.sums:(p+1)*s.sums]
	for i, r := range readings {
		a := &s.args[i]
		if !r.known {
			continue
		}
		first := counts[a.known] == 0
		if a.sum >= 0 {
			sums[a.sum] += r.number
		}
		if a.low >= 0 && (first || r.number < sums[a.low]) {
			sums[a.low] = r.number
		}
		if a.high >= 0 && (first || r.number > sums[a.high]) {
			sums[a.high] = r.number
		}
		if a.set >= 0 {
			b.Sets[a.set].add(r.text, p)
		}
	}
}

// count adds one call or session, or takes one away: n is 1 or -1.
func (b *buckets) count(w *Spec, number int64, readings []Reading, n int) {
	s := &w.shape
	p := s.place(number)
	counts, one := b.Counts[p*s.counts:(p+1)*s.counts], uint32(n)
	counts[0] += one
	for i := range w.Leads {
		if l := &w.Leads[i]; l.beyond >= 0 && l.Contribution(readings).Met {
			counts[l.beyond] += one
		}
	}
	for i, r := range readings {
		a := &s.args[i]
		if !r.known {
			if a.partial >= 0 && r.class == condition.Partial {
				counts[a.partial] += one
			}
			continue
		}
		counts[a.known] += one
		if a.met >= 0 && r.class == condition.Matching {
			counts[a.met] += one
		}
		if a.sessions >= 0 {
			b.Sums[p*s.sums+a.sessions] += float64(n) * r.number
		}
		switch {
		case a.sketch < 0:
		case n > 0:
			b.Sketches[p*s.sketches+a.sketch].add(r.number, b.exact(s, a))
		default:
			b.Sketches[p*s.sketches+a.sketch].remove(r.number)
		}
	}
}

// exact reports whether the values of an argument are few enough to be kept as they
// are: in the whole ring, so that those which are take no more than 4 KB a window.
func (b *buckets) exact(s *shape, a *argShape) bool {
	n := 0
	for p := a.known; p < len(b.Counts); p += s.counts {
		n += int(b.Counts[p])
	}
	return n <= maxExact*s.ring/s.steps
}

// empty says whether no bucket of the ring has a call.
func (b *buckets) empty(s *shape) bool {
	for p := s.place(b.Head) * s.counts; p >= 0; p -= s.counts { // most often the newest has one
		if b.Counts[p] > 0 {
			return false
		}
	}
	for p := 0; p < len(b.Counts); p += s.counts {
		if b.Counts[p] > 0 {
			return false
		}
	}
	return true
}
