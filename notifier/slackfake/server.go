// Package slackfake is a Slack workspace in memory, reached over HTTP: as much
// of the Web API as callwatch uses, with Slack's limits checked and faults on
// demand. Tests and the demo run against it.
package slackfake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config of a fake workspace.
type Config struct {
	Now      func() time.Time // source of message timestamps
	Token    string           // the only accepted token; "" accepts all
	Channels []string         // names with #; none: a channel exists once it is used
	Scopes   []string         // what auth.test reports in X-OAuth-Scopes
}

// Call is one request as it was recorded.
type Call struct {
	Method    string // "chat.postMessage"
	At        time.Time
	Channel   string // as in the request
	TS        string // of the message to update or delete
	Thread    string
	Text      string
	Broadcast bool
	Metadata  Metadata
	Fault     Fault
	Error     string // Slack's error, "" for ok
	Committed string // timestamp of the message posted, "" for none
}

// Server is a fake workspace; it is an http.Handler for the path of each method
// under any prefix. Its methods may be called concurrently.
type Server struct {
	cfg Config

	mu       sync.Mutex
	fault    func(Call) Fault
	channels []*channel
	last     time.Time // of the latest timestamp
	calls    []Call
	revoked  string // error for every call, "" for none
	changed  chan struct{}

	groups    map[string][]string // members of user groups
	socket    *socket             // the app in Socket Mode; nil for none
	envelopes int
}

// maxCalls bounds what is recorded.
const maxCalls = 100_000

// New makes a workspace.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, changed: make(chan struct{})}
	for _, name := range cfg.Channels {
		s.addChannel(name)
	}
	return s
}

// SetFault makes every call go through f, one at a time; nil for no faults. f
// must not call the server.
func (s *Server) SetFault(f func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Revoke makes every call fail with the error, as a token does that is no longer
// valid; "" makes it valid again.
func (s *Server) Revoke(err string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = err
}

// Calls are the requests so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Changed is closed when a message is posted, edited or deleted the next time.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// reply is the body of an answer.
type reply map[string]any

func failed(err string) reply { return reply{"ok": false, "error": err} }

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == socketPath {
		s.serveSocket(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<20)
	if err := r.ParseForm(); err != nil {
		write(w, http.StatusOK, failed("invalid_form_data"))
		return
	}
	method := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	body, fault := s.answer(method, r)
	if method == "auth.test" && len(s.cfg.Scopes) > 0 {
		w.Header().Set("X-OAuth-Scopes", strings.Join(s.cfg.Scopes, ","))
	}
	fault.write(w, r, body)
}

// answer runs the call and its fault as one step, and records both.
func (s *Server) answer(method string, r *http.Request) (reply, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := recorded(method, r.Form)
	c.At = s.cfg.Now()
	if s.fault != nil {
		c.Fault = s.fault(c)
	}
	body := failed(c.Fault.Error)
	if c.Fault.runs() {
		body = s.run(&c, r)
	}
	if body["ok"] != true {
		c.Error, _ = body["error"].(string)
	}
	if len(s.calls) < maxCalls {
		s.calls = append(s.calls, c)
	}
	return body, c.Fault
}

func recorded(method string, form url.Values) Call {
	c := Call{
		Method: method, Channel: form.Get("channel"), TS: form.Get("ts"), Thread: form.Get("thread_ts"),
		Text: form.Get("text"), Broadcast: form.Get("reply_broadcast") == "true",
	}
	_ = json.Unmarshal([]byte(form.Get("metadata")), &c.Metadata) // checked where it matters
	return c
}

func (s *Server) run(c *Call, r *http.Request) reply {
	if err := s.authError(r); err != "" && c.Method != "apps.connections.open" { // it has a token of its own
		return failed(err)
	}
	switch c.Method {
	case "apps.connections.open":
		return s.openConnection(r)
	case "auth.test":
		return reply{
			"ok": true, "url": "https://callwatch.slack.example/", "team": "callwatch", "user": "callwatch",
			"team_id": "T0000001", "user_id": "U0000001", "bot_id": "B0000001",
		}
	case "chat.postMessage":
		return s.postMessage(c, r.Form)
	case "chat.update":
		return s.update(c, r.Form)
	case "chat.delete":
		return s.remove(c)
	case "chat.getPermalink":
		return s.permalink(r.Form)
	case "conversations.history":
		return s.history(r.Form)
	case "conversations.replies":
		return s.replies(r.Form)
	case "conversations.list":
		return s.list(r.Form)
	case "usergroups.users.list":
		return s.groupMembers(r.Form)
	case "conversations.info":
		return s.info(c)
	default:
		return failed("unknown_method")
	}
}

// authError checks the token, in the form or the header.
func (s *Server) authError(r *http.Request) string {
	token := r.Form.Get("token")
	if token == "" {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	switch {
	case s.revoked != "":
		return s.revoked
	case token == "":
		return "not_authed"
	case s.cfg.Token != "" && token != s.cfg.Token:
		return "invalid_auth"
	default:
		return ""
	}
}

func write(w http.ResponseWriter, status int, body reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
