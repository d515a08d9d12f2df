package providerfake

import (
	"net/http"
	"strconv"
	"time"
)

// Faults are the shares of requests, 0..1, that go wrong in a way. They are drawn
// in this order; a request goes wrong in one way at most.
type Faults struct {
	Throttle  float64 // 429 with Retry-After
	Fail      float64 // 503
	Cut       float64 // the connection ends in the middle of the answer
	WrongType float64 // a page of HTML, status 200
	Slow      float64 // the answer comes after SlowFor

	RetryAfter time.Duration // of a 429, in whole seconds; 0 leaves the header out
	SlowFor    time.Duration
	// FirstEmpty is the share of calls whose first request finds nothing, however
	// long their report has been there.
	FirstEmpty float64
}

// misbehave draws whether a request goes wrong, and how.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	f, p := s.faults, s.rand.Float64()
	s.mu.Unlock()
	hits := func(share float64) bool { p -= share; return p < 0 }
	switch {
	case hits(f.Throttle):
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Round(time.Second)/time.Second)))
		}
		s.note(r, s.named(r), http.StatusTooManyRequests)
		s.write(w, http.StatusTooManyRequests, s.api.Refuse(http.StatusTooManyRequests, "Rate limit exceeded"))
	case hits(f.Fail):
		s.note(r, s.named(r), http.StatusServiceUnavailable)
		s.write(w, http.StatusServiceUnavailable, s.api.Refuse(http.StatusServiceUnavailable, "Service Unavailable"))
	case hits(f.Cut):
		s.note(r, s.named(r), 0)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "4096")
		_, _ = w.Write([]byte(`{"data":[`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the server's way to cut a connection
	case hits(f.WrongType):
		s.note(r, s.named(r), http.StatusOK)
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Maintenance</title>"))
	case hits(f.Slow):
		select {
		case <-r.Context().Done():
		case <-time.After(f.SlowFor):
		}
		return false
	default:
		return false
	}
	return true
}

// named is the call that a path names, for requests that went wrong.
func (s *Server) named(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for segment := range pathSegments(r.URL.Path) {
		if c := s.byID[segment]; c != nil {
			return c.ID
		}
	}
	return ""
}
