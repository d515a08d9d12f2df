// Package providerfake is the REST API of each provider, as far as callwatch asks
// it, for tests and demonstrations: its credentials, its ways of paging, its way
// of saying that a report is not there yet, and its bad days.
package providerfake

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"callwatch/normalizer"
)

// Options choose how a server behaves.
type Options struct {
	Seed uint64
	Now  func() time.Time
	// Healthy says that no call has poor figures; without it half of them have some.
	Healthy bool
}

// Request is one that came in.
type Request struct {
	At     time.Time
	Method string
	Path   string
	Query  url.Values
	CallID string // the call it is about, as its webhook names it; "" for lists
	Status int    // 0 where the connection was cut
}

// maxRequests bounds what a server remembers.
const maxRequests = 200_000

// Server is one provider's API. It is safe for concurrent use.
type Server struct {
	api     API
	mux     *http.ServeMux
	now     func() time.Time
	healthy bool

	mu       sync.Mutex
	rand     *rand.Rand
	faults   Faults
	calls    []*Call // newest first
	byID     map[string]*Call
	sorted   bool
	made     int
	tried    map[string]bool
	requests []Request
}

// API is what differs between providers.
type API struct {
	Variant string // "" for the API that the provider has always had
	Prefix  string // of all paths
	Keys    normalizer.Keys
	Admits  func(h http.Header) bool
	Refuse  func(status int, words string) any // Body of an error
	Routes  map[string]func(s *Server, r *http.Request) Reply
	NewCall func(m *Maker) Call
}

// Reply is an answer before it is written.
type Reply struct {
	Status int // 0 is 200
	Body   any
	Call   *Call
}

// New makes the API of a provider, without calls.
func New(a API, o Options) *Server {
	s := &Server{
		api: a, mux: http.NewServeMux(), now: o.Now, healthy: o.Healthy,
		rand: rand.New(rand.NewPCG(o.Seed, 5)), byID: map[string]*Call{}, tried: map[string]bool{},
	}
	for pattern, answer := range s.api.Routes {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, answer) })
	}
	return s
}

// Keys are the settings of a client that is let in, where the server is reached
// at an address.
func (s *Server) Keys(address string) normalizer.Keys {
	k := normalizer.Keys{normalizer.APIURL: {address + s.api.Prefix}}
	for name, values := range s.api.Keys {
		k[name] = slices.Clone(values)
	}
	return k
}

// SetFaults changes what goes wrong from now on.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Add adds a call.
func (s *Server) Add(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(&c)
}

func (s *Server) add(c *Call) {
	s.calls, s.sorted = append(s.calls, c), false
	s.byID[c.ID] = c
	for _, id := range c.Also {
		s.byID[id] = c
	}
}

// Calls are those added so far, in no order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Call, len(s.calls))
	for i, c := range s.calls {
		out[i] = *c
	}
	return out
}

// Requests are those that came in, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers as the provider would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.api.Admits(r.Header) {
		s.note(r, "", http.StatusUnauthorized)
		s.write(w, http.StatusUnauthorized, s.api.Refuse(http.StatusUnauthorized, "Unauthorized"))
		return
	}
	if s.misbehave(w, r) {
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.note(r, "", http.StatusNotFound)
		s.write(w, http.StatusNotFound, s.api.Refuse(http.StatusNotFound, "Not Found"))
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, route func(*Server, *http.Request) Reply) {
	a := route(s, r)
	id := ""
	if a.Call != nil {
		id = a.Call.ID
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	s.note(r, id, a.Status)
	s.write(w, a.Status, a.Body)
}

func (s *Server) note(r *http.Request, callID string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, maxRequests/2)
	}
	s.requests = append(s.requests, Request{
		At: s.now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), CallID: callID, Status: status,
	})
}

func (s *Server) write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// Time is the time of the server.
func (s *Server) Time() time.Time { return s.now() }

// Refusal is the body of an error in the words of the API.
func (s *Server) Refusal(status int, words string) any { return s.api.Refuse(status, words) }
