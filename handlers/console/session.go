package console

import (
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "callwatch_session"
	sessionTime = 12 * time.Hour
	maxSessions = 1000

	// A guesser may fail so often, then waits until the bucket has refilled: one
	// try every loginPause for an address, and ten times as many for all.
	loginTries = 5
	loginPause = 10 * time.Second
	maxGuests  = 10_000
)

// session is a browser that showed a token.
type session struct {
	name  string // of the person, as it stands beside what they do
	until time.Time
}

// sessions are kept by the digest of their id: who reads the memory cannot use them.
type sessions struct {
	mu     sync.Mutex
	open   map[[sha256.Size]byte]session
	guests map[string]allowance
}

// allowance is when an address may have failed as often as it did.
type allowance struct{ free time.Time }

func newSessions() *sessions {
	return &sessions{open: map[[sha256.Size]byte]session{}, guests: map[string]allowance{}}
}

// begin makes a session and returns its id.
func (s *sessions) begin(name string, now time.Time) (id string) {
	id = rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.open, func(_ [sha256.Size]byte, v session) bool { return !now.Before(v.until) })
	if len(s.open) >= maxSessions {
		clear(s.open) // everybody logs in again: better than nobody can
	}
	s.open[sha256.Sum256([]byte(id))] = session{name, now.Add(sessionTime)}
	return id
}

// find is the session of a request.
func (s *sessions) find(r *http.Request, now time.Time) (session, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.open[sha256.Sum256([]byte(cookie.Value))]
	return found, ok && now.Before(found.until)
}

func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, sha256.Sum256([]byte(cookie.Value)))
	}
}

// mayTry says whether an address may present a token, and counts the try as a
// failure until succeeded is called.
func (s *sessions) mayTry(address string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.guests, func(_ string, a allowance) bool { return now.After(a.free) })
	everybody := ""                     // no address: an attacker may have many
	return len(s.guests) < maxGuests && // first the address: one alone cannot lock out all
		s.take(address, now, loginPause, loginTries) && s.take(everybody, now, loginPause/10, 10*loginTries)
}

func (s *sessions) take(who string, now time.Time, pause time.Duration, tries int) bool {
	free := s.guests[who].free
	if free.Before(now) {
		free = now
	}
	if free = free.Add(pause); free.Sub(now) > time.Duration(tries)*pause {
		return false
	}
	s.guests[who] = allowance{free}
	return true
}

func (s *sessions) succeeded(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.guests, address)
}
