package slackfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// User of the workspace who clicks.
type User struct {
	ID   string `json:"id"`
	Name string `json:"username"`
}

// Press is the payload that Slack sends when a user presses the control with an
// action id in a message; option is the place in a menu. It fails where the
// message has no such control.
func (s *Server) Press(ts, action string, option int, by User) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		m := c.message(ts)
		if m == nil {
			continue
		}
		e, ok := m.control(action)
		if !ok {
			return nil, fmt.Errorf("message %s has no control %s", ts, action)
		}
		pressed := reply{"action_id": action, "type": e.Type, "value": e.Value, "action_ts": s.stamp()}
		if len(e.Options) > option {
			pressed["selected_option"] = reply{"value": e.Options[option].Value}
		}
		return json.Marshal(reply{
			"type": "block_actions", "user": by, "actions": []reply{pressed},
			"channel": reply{"id": c.id}, "container": reply{"type": "message", "message_ts": ts},
			"response_url": "https://hooks.slack.example/actions/T0000001/1/x",
		})
	}
	return nil, fmt.Errorf("there is no message %s", ts)
}

// control finds a button or menu in a message.
func (m *message) control(action string) (element, bool) {
	lists := []json.RawMessage{m.blocks}
	var as []attachment
	_ = json.Unmarshal(m.attachments, &as) // validated when it came
	for _, a := range as {
		lists = append(lists, a.Blocks)
	}
	for _, raw := range lists {
		var bs []block
		_ = json.Unmarshal(raw, &bs) // the same
		for _, b := range bs {
			for _, e := range b.Elements {
				if b.Type == "actions" && e.ActionID == action {
					return e, true
				}
			}
		}
	}
	return element{}, false
}

// Request is a payload as Slack sends it by HTTP: the form, and the headers that
// sign it with the app's secret.
func Request(secret string, at time.Time, payload []byte) (http.Header, []byte) {
	body := []byte(url.Values{"payload": {string(payload)}}.Encode())
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body) // a hash never fails
	h := http.Header{}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return h, body
}

// SetGroup gives a user group its members.
func (s *Server) SetGroup(id string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[string][]string{}
	}
	s.groups[id] = users
}

func (s *Server) groupMembers(form url.Values) reply {
	users, ok := s.groups[form.Get("usergroup")]
	if !ok {
		return failed("no_such_subteam")
	}
	return reply{"ok": true, "users": users}
}
