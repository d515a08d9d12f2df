package providerfake

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Call is one call that the API knows.
type Call struct {
	ID      string    // as its webhook names it
	Also    []string  // other ids by which the API knows it
	Started time.Time // of its ringing
	Ended   time.Time
	ReadyAt time.Time // its report is not there before
	Webhook Webhook   // what the provider pushes at the end

	// Report is the answer to a request for the call, and Early the one before
	// ReadyAt; nil is the provider's way of saying that there is nothing.
	Report, Early any
	// More are answers to requests for other parts, by the name of the part.
	More map[string]any
	// Record is the call as lists have it; nil is Report.
	Record any

	// Figures are call fields that only the report tells, with their values.
	Figures map[string]float64
}

// Webhook is a body that a provider pushes, without its signature.
type Webhook struct {
	ContentType string
	Body        []byte
}

// Making is how plausible calls are made.
type Making struct {
	First time.Time                        // the end of the first call
	Every time.Duration                    // from one end to the next
	Delay func(r *rand.Rand) time.Duration // from a call's end to its report; nil is none
}

// Make adds n answered calls, the same ones for the same seed, and returns them.
func (s *Server) Make(n int, how Making) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Call, 0, n)
	for i := range n {
		talk := time.Duration(20+s.rand.IntN(100)) * time.Second
		m := Maker{Rand: s.rand, Index: s.made, healthy: s.healthy, Ended: how.First.Add(time.Duration(i) * how.Every).UTC().Truncate(time.Millisecond)}
		m.Answered = m.Ended.Add(-talk)
		m.Started = m.Answered.Add(-time.Duration(2+s.rand.IntN(8)) * time.Second)
		s.made++
		c := s.api.NewCall(&m)
		c.Started, c.Ended, c.ReadyAt = m.Started, m.Ended, m.Ended
		if how.Delay != nil {
			c.ReadyAt = m.Ended.Add(how.Delay(s.rand))
		}
		s.add(&c)
		out = append(out, c)
	}
	return out
}

// Maker makes one call.
type Maker struct {
	*rand.Rand
	Index                    int // unique within a server
	healthy                  bool
	Started, Answered, Ended time.Time
}

type Object = map[string]any

func (m *Maker) Between(lo, hi int) int { return lo + m.IntN(hi-lo+1) }

// Score is a figure of a call's quality that is better the higher it is.
func (m *Maker) Score(lo, hi int) int {
	if m.healthy {
		lo = hi - (hi-lo)/5
	}
	return m.Between(lo, hi)
}

// Flaw is a figure of a call's quality that is better the lower it is.
func (m *Maker) Flaw(lo, hi int) int {
	if m.healthy {
		hi = lo + (hi-lo)/5
	}
	return m.Between(lo, hi)
}

func (m *Maker) Hex(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789abcdef"[m.IntN(16)])
	}
	return b.String()
}

func (m *Maker) Uuid() string {
	h := m.Hex(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// Number is a telephone number of a range that is reserved for fiction.
func (m *Maker) Number() string { return fmt.Sprintf("+141555501%02d", m.IntN(100)) }

func (m *Maker) TalkSec() float64 { return m.Ended.Sub(m.Answered).Seconds() }

func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Find is the call of an id, whether its report is there, and whether this
// request is one that finds nothing for once.
func (s *Server) Find(id string) (c *Call, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.byID[id]; c == nil {
		return nil, false
	}
	ready = !s.now().Before(c.ReadyAt)
	if !s.tried[c.ID] {
		s.tried[c.ID] = true
		ready = ready && s.rand.Float64() >= s.faults.FirstEmpty
	}
	return c, ready
}

// One answers a request for a call, or for a part of it.
func (s *Server) One(id, part string) Reply {
	c, ready := s.Find(id)
	missing := Reply{http.StatusNotFound, s.api.Refuse(http.StatusNotFound, "Not Found"), c}
	switch {
	case c == nil:
		return missing
	case !ready && c.Early == nil, !ready && part != "":
		return missing
	case !ready:
		return Reply{Body: c.Early, Call: c}
	case part != "" && c.More[part] == nil:
		return missing
	case part != "":
		return Reply{Body: c.More[part], Call: c}
	default:
		return Reply{Body: c.Report, Call: c}
	}
}

// record is a call as lists have it.
func (c *Call) record() any {
	if c.Record != nil {
		return c.Record
	}
	return c.Report
}

// Between are the calls that ended within [since, until), newest first; a zero
// time is open. Calls to come are left out.
func (s *Server) Between(since, until time.Time) []*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sorted {
		slices.SortStableFunc(s.calls, func(a, b *Call) int { return b.Ended.Compare(a.Ended) })
		s.sorted = true
	}
	now := s.now()
	var out []*Call
	for _, c := range s.calls {
		if !c.Ended.After(now) && !c.Ended.Before(since) && (until.IsZero() || c.Ended.Before(until)) {
			out = append(out, c)
		}
	}
	return out
}

// Slice is one page of a list, as records, and whether more follow.
func Slice(calls []*Call, from, size int) (records []any, more bool) {
	from = min(max(from, 0), len(calls))
	to := min(from+max(size, 0), len(calls))
	records = []any{}
	for _, c := range calls[from:to] {
		records = append(records, c.record())
	}
	return records, to < len(calls)
}

// pathSegments are the parts of a path.
func pathSegments(path string) iter.Seq[string] {
	return strings.SplitSeq(strings.Trim(path, "/"), "/")
}
