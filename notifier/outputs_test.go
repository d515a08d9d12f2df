package notifier_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// taken is one request that a receiver took or refused.
type taken struct {
	at     time.Time
	path   string
	header http.Header
	body   []byte
	status int
}

// receiver records requests and answers as the list of statuses says, 200 with the
// body ok after its end. In place of the first answers 200 come web pages, as of a
// proxy that asks who one is.
type receiver struct {
	mu       sync.Mutex
	requests []taken
	statuses []int
	pages    int
	now      func() time.Time
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	status := http.StatusOK
	if len(r.statuses) > 0 {
		status, r.statuses = r.statuses[0], r.statuses[1:]
	}
	r.requests = append(r.requests, taken{r.now(), req.URL.Path, req.Header, body, status})
	answer := "ok"
	if status == http.StatusOK && r.pages > 0 {
		r.pages--
		answer = "<!DOCTYPE html><title>Guest network: please log in</title>"
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer) // the client may be gone
}

// outputScene has one output, and incidents routed to it.
func outputScene(t *testing.T, sink func(url string) outputConfig, statuses ...int) (*scene, *receiver) {
	s := newScene(t, channel)
	r := &receiver{statuses: statuses, now: s.clock.now}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	s.cfg.Outputs = map[string]outputConfig{"ops": sink(server.URL)}
	s.restart()
	return s, r
}

func routed(in rules.Incident) rules.Incident {
	in.Outputs = []string{"ops"}
	return in
}

func TestWebhookGetsEveryStepInOrder(t *testing.T) {
	t.Parallel()
	s, r := outputScene(t, func(url string) outputConfig {
		return outputConfig{Webhook: delivery.Token(url + "/hook"), Secret: "s3cret"}
	}, 500, 429, 200, 503)
	s.handle(rules.StepOpened, routed(notifiertest.Opened()))
	s.handle(rules.StepEscalated, routed(notifiertest.Escalated()))
	s.drain()
	settled := s.n.Settled()
	s.restart()
	s.replay(settled)
	s.handle(rules.StepResolved, routed(notifiertest.Resolved()))
	s.drain()
	var types []string
	ids := map[string]string{}
	for _, q := range r.requests {
		var m struct {
			Type string
			Data rules.Transition
		}
		if err := json.Unmarshal(q.body, &m); err != nil {
			t.Fatal(err)
		}
		id := q.header.Get("Webhook-Id")
		if first, ok := ids[m.Type]; ok && first != id {
			t.Errorf("%s was sent as %s and %s", m.Type, first, id)
		}
		ids[m.Type] = id
		if want := signature("s3cret", id, q.at, q.body); q.header.Get("Webhook-Signature") != want {
			t.Errorf("wrong signature of %s", m.Type)
		}
		if m.Data.Incident.ID != "bad-call-1" {
			t.Errorf("incident %q", m.Data.Incident.ID)
		}
		if q.status == 200 {
			types = append(types, m.Type)
		}
	}
	if got, want := strings.Join(types, " "), "incident.opened incident.escalated incident.resolved"; got != want {
		t.Errorf("taken: %s, want %s", got, want)
	}
	if len(r.requests) != 6 {
		t.Errorf("%d requests, want 3 and 3 repetitions", len(r.requests))
	}
	if len(s.fake.Calls()) != 0 {
		t.Error("sent to Slack as well, though the route names no channel")
	}
}

// signature is that of Standard Webhooks.
func signature(secret, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestRefusedWebhookIsGivenUpAndTheNextIsSent(t *testing.T) {
	t.Parallel()
	s, r := outputScene(t, func(url string) outputConfig { return outputConfig{Webhook: delivery.Token(url)} }, 400)
	s.handle(rules.StepOpened, routed(notifiertest.Opened()))
	s.handle(rules.StepResolved, routed(notifiertest.Resolved()))
	s.drain()
	if len(r.requests) != 2 || s.receiver("output ops").Parked != 1 {
		t.Errorf("%d requests, status %+v", len(r.requests), s.n.Status())
	}
}

func TestUnreachableOutputIsShownAndCatchesUp(t *testing.T) {
	t.Parallel()
	s, r := outputScene(t, func(url string) outputConfig { return outputConfig{Webhook: delivery.Token(url + "/very-secret-path")} }, 404)
	s.handle(rules.StepOpened, routed(notifiertest.Opened()))
	s.until(notifiertest.T0.Add(10 * time.Second))
	if st := s.n.Status(); !st.Broken() || st.Settled != 0 {
		t.Errorf("status %+v, want it broken and not settled", st)
	}
	s.drain()
	if st := s.n.Status(); st.Broken() || st.Settled != 1 || len(r.requests) != 2 {
		t.Errorf("status %+v after %d requests", st, len(r.requests))
	}
	if strings.Contains(s.log.String(), "very-secret-path") {
		t.Error("the address is in the log")
	}
}

func TestAlertFiresUntilItIsResolved(t *testing.T) {
	t.Parallel()
	s, r := outputScene(t, func(url string) outputConfig { return outputConfig{Alertmanager: delivery.Token(url + "/")} })
	s.handle(rules.StepOpened, routed(notifiertest.Opened()))
	s.until(notifiertest.T0.Add(150 * time.Second))
	settled := s.n.Settled()
	s.restart() // who is open must be sent on after a restart
	s.replay(settled)
	s.until(notifiertest.T0.Add(330 * time.Second))
	over := routed(notifiertest.Resolved())
	over.ResolvedAt = notifiertest.T0.Add(330 * time.Second)
	s.handle(rules.StepResolved, over)
	s.drain()
	var alerts []alert
	for _, q := range r.requests {
		var as []alert
		if err := json.Unmarshal(q.body, &as); err != nil || len(as) != 1 || q.path != "/api/v2/alerts" {
			t.Fatalf("%s: %s: %v", q.path, q.body, err)
		}
		a := as[0]
		if a.Labels["alertname"] != "bad-call" || a.Labels["severity"] != "warning" || a.Labels["provider"] != "telnyx" || !a.StartsAt.Equal(notifiertest.T0) {
			t.Errorf("alert %+v", a)
		}
		if len(alerts) > 0 && len(a.Labels) != len(alerts[0].Labels) {
			t.Error("the labels, an alert's identity, have changed")
		}
		alerts = append(alerts, a)
	}
	if len(alerts) < 6 || len(alerts) > 8 {
		t.Errorf("%d alerts in six minutes, want one a minute and the resolve", len(alerts))
	}
	for i, a := range alerts {
		if open := a.EndsAt.After(r.requests[i].at.Add(time.Minute)); open != (i < len(alerts)-1) {
			t.Errorf("alert %d ends %s, sent at %s", i, a.EndsAt, r.requests[i].at)
		}
	}
	if st := s.n.Status(); st.Settled != 2 || st.Pending != 0 {
		t.Errorf("status %+v, want all settled", st)
	}
}

func TestIncomingWebhookPostsOpeningAndResolve(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	r := &receiver{now: s.clock.now, statuses: []int{500}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	s.cfg.Token, s.cfg.WebhookURL, s.cfg.Buttons = "", delivery.Token(server.URL), true
	s.restart()
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.handle(rules.StepUpdated, notifiertest.Grown())
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()
	var got []string
	for _, q := range r.requests {
		var m struct {
			Text                string
			Blocks, Attachments json.RawMessage
		}
		if err := json.Unmarshal(q.body, &m); err != nil {
			t.Fatal(err)
		}
		if ps := slackfake.Validate(m.Text, m.Blocks, m.Attachments); len(ps) > 0 || strings.Contains(string(m.Attachments), "actions") {
			t.Errorf("%v in %s", ps, q.body)
		}
		got = append(got, strings.SplitN(m.Text, ":", 2)[0])
	}
	if strings.Join(got, " ") != "Warning Warning Resolved" {
		t.Errorf("posted %v, want the opening twice for the 500, and the resolve", got)
	}
	if !s.n.Status().Degraded {
		t.Error("status does not say that this is the degraded mode")
	}
}

// A web page is no delivery where the protocol says what is answered: Slack's webhook
// and Alertmanager. It is tried again, and the status says what was answered. A generic
// webhook may answer what it likes.
func TestPageOfAProxyIsNoDelivery(t *testing.T) {
	t.Parallel()
	const page = "a proxy or login page is between"
	t.Run("incoming", func(t *testing.T) {
		s := newScene(t, channel)
		r := &receiver{now: s.clock.now, pages: 3}
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		s.cfg.Token, s.cfg.WebhookURL = "", delivery.Token(server.URL)
		s.restart()
		if _, err := s.n.Test(t.Context(), ""); err == nil || !strings.Contains(err.Error(), page) {
			t.Errorf("notify test says %v", err)
		}
		s.handle(rules.StepOpened, notifiertest.Opened())
		s.until(notifiertest.T0.Add(2 * time.Second))
		if st := s.receiver("incoming webhook"); !st.Degraded || !strings.Contains(st.Trouble(), page) || st.Posted != 0 {
			t.Errorf("status %+v after %d requests", st, len(r.requests))
		}
		s.drain()
		if st := s.receiver("incoming webhook"); st.Degraded || st.Posted != 1 || len(r.requests) != 4 {
			t.Errorf("status %+v after %d requests, want the fourth to count", st, len(r.requests))
		}
	})
	for name, out := range map[string]func(url string) outputConfig{
		"alertmanager": func(url string) outputConfig { return outputConfig{Alertmanager: delivery.Token(url)} },
		"webhook":      func(url string) outputConfig { return outputConfig{Webhook: delivery.Token(url)} },
	} {
		t.Run(name, func(t *testing.T) {
			s, r := outputScene(t, out)
			r.pages = 2
			s.handle(rules.StepOpened, routed(notifiertest.Opened()))
			s.until(notifiertest.T0.Add(4 * time.Second))
			if st := s.receiver("output ops"); strings.Contains(st.LastError, page) != (name == "alertmanager") {
				t.Errorf("status %+v after %d requests", st, len(r.requests))
			}
			s.handle(rules.StepResolved, routed(notifiertest.Resolved()))
			s.drain()
			if st := s.receiver("output ops"); st.Degraded || st.Pending != 0 {
				t.Errorf("status %+v after %d requests", st, len(r.requests))
			}
		})
	}
}

// TestWebhookNumbersAreMaskedWhereConfigured: in fields, keys and sentences.
func TestWebhookNumbersAreMaskedWhereConfigured(t *testing.T) {
	t.Parallel()
	for _, masked := range []bool{true, false} {
		s, r := outputScene(t, func(url string) outputConfig { return outputConfig{Webhook: delivery.Token(url)} })
		s.cfg.MaskOutputs = masked
		s.restart()
		in := routed(notifiertest.Opened())
		in.By = []rules.Label{{Name: "from", Value: "15551234567"}, {Name: "provider", Value: "telnyx"}}
		in.Summary = "Calls of +1 (555) 123-4567 to 030/12345678 and (0151) 98765432 fail"
		in.Opening.Conditions = []rules.Condition{{Text: `from ("+15551234567") != "", call/004930%2012345678`}}
		s.handle(rules.StepOpened, in)
		s.drain()
		body := string(r.requests[0].body)
		for _, number := range []string{"15551234567", "555) 123-4567", "030/12345678", "98765432", "493012345678", "%2012345678"} {
			if strings.Contains(body, number) == masked {
				t.Errorf("mask %v: %s in %s", masked, number, body)
			}
		}
		var m struct{ Data rules.Transition }
		if err := json.Unmarshal(r.requests[0].body, &m); err != nil || m.Data.Incident.ID != in.ID || !m.Data.Incident.OpenedAt.Equal(notifiertest.T0) || *m.Data.Incident.Opening.Call.MOS != 3.12 {
			t.Errorf("%v: %s", err, body)
		}
	}
}
