package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const (
	sessionCookie = "callwatch_session"

	// SessionTime is how long a browser is logged in.
	SessionTime = 12 * time.Hour

	maxSessions = 1000
)

// session is a browser in which somebody logged in.
type session struct {
	user  User
	until time.Time
	over  context.Context // ends with the session
	end   context.CancelFunc
}

// sessions are keyed by the digest of the id, so that a memory dump reveals no usable id.
type sessions struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]session
}

// begin makes a session and returns its id.
func (s *sessions) begin(u User, now time.Time) (id string) {
	id = rand.Text() + rand.Text()
	over, end := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[sha256.Size]byte]session{}
	}
	// At the limit all sessions end: better to log in again than to be locked out.
	full := len(s.open) >= maxSessions
	for key, v := range s.open {
		if full || !now.Before(v.until) {
			v.end()
			delete(s.open, key)
		}
	}
	s.open[sha256.Sum256([]byte(id))] = session{u, now.Add(SessionTime), over, end}
	return id
}

// find is the session of a request.
func (s *sessions) find(r *http.Request, now time.Time) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.open[sha256.Sum256([]byte(cookie.Value))]
	return found, ok && now.Before(found.until)
}

// finish ends the session of a request, and the streams that it opened.
func (s *sessions) finish(r *http.Request) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(cookie.Value))
	if found, ok := s.open[key]; ok {
		found.end()
		delete(s.open, key)
	}
}
