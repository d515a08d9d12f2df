package delivery

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAnswersThatAreNoDelivery: what counts as delivered is what the protocol answers.
func TestAnswersThatAreNoDelivery(t *testing.T) {
	const page = "<html><title>Log in</title></html>"
	for _, c := range []struct {
		protocol     Protocol
		status       int
		kind, answer string
		want         Outcome
		says         string
	}{
		{SlackWebhook, 200, "text/html", "ok", Done, ""},
		{SlackWebhook, 200, "text/plain", "OK\n", Done, ""},
		{SlackWebhook, 200, "", "\r\n ok ", Done, ""},
		{SlackWebhook, 200, "text/html; charset=utf-8", page, Unclear, `answered 200 with text/html instead of "ok": a proxy or login page is between`},
		{SlackWebhook, 203, "TEXT/HTML", page, Unclear, `answered 203 with text/html`},
		{SlackWebhook, 200, "text/plain", page, Unclear, "a proxy or login page is between"},
		{SlackWebhook, 200, "", "", Unclear, `answered 200 with nothing instead of "ok"`},
		{SlackWebhook, 204, "", "", Unclear, `answered 204 with nothing instead of "ok"`},
		{SlackWebhook, 200, "application/json", `{"ok":true}`, Done, ""},
		{SlackWebhook, 200, "application/json", `{"success":true}`, Done, ""},
		{SlackWebhook, 200, "application/json", `{"result":"success","msg":""}`, Done, ""},
		{SlackWebhook, 200, "application/json", `{"ok":false}`, Unclear, `answered 200 with {"ok":false} instead of "ok"`},
		{SlackWebhook, 200, "application/json", `{}`, Unclear, `answered 200 with {} instead of "ok"`},
		{SlackWebhook, 200, "application/json", `[true]`, Unclear, `instead of "ok"`},
		{SlackWebhook, 200, "text/plain", "okay", Unclear, `answered 200 with okay instead of "ok"`},
		{SlackWebhook, 200, "text/plain", "not ok", Unclear, `instead of "ok"`},
		{SlackWebhook, 200, "text/plain", strings.Repeat("ok", 1000), Unclear, `instead of "ok"`},
		{SlackWebhook, 200, "image/gif", "GIF89a\xff\x00", Unclear, "answered 200 with image/gif"},
		{SlackWebhook, 302, "text/html", page, BadChannel, "answered 302"},
		{SlackWebhook, 400, "text/plain", "no_text", BadContent, "answered 400: no_text"},
		{SlackWebhook, 502, "text/html", page, Unclear, "answered 502"},
		{API, 200, "", "", Done, ""},
		{API, 200, "application/json", `{"status":"success"}`, Done, ""},
		{API, 202, "text/plain", "accepted", Done, ""},
		{API, 200, "text/html", page, Unclear, "answered 200 with text/html instead of an answer of the API: a proxy or login page is between"},
		{API, 200, "application/xhtml+xml", page, Unclear, "a proxy or login page is between"},
		{API, 200, "", "  <!doctype HTML>" + page, Unclear, "a proxy or login page is between"},
		{AnyAnswer, 200, "text/html", page, Done, ""},
		{AnyAnswer, 204, "", "", Done, ""},
		{AnyAnswer, 302, "text/html", page, BadChannel, "answered 302"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if c.kind != "" {
				w.Header().Set("Content-Type", c.kind)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		err := PostJSON(t.Context(), HTTPClient(time.Minute), Token(server.URL+"/secret"), c.protocol, []byte("{}"), nil)
		server.Close()
		if o, _ := OutcomeOf(err); o != c.want || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("protocol %d, %d %q %.40q: %s, %v; want %s, %s", c.protocol, c.status, c.kind, c.answer, o, err, c.want, c.says)
		}
	}
}

// An answer that breaks off is not the whole of it.
func TestBrokenOffAnswerIsNoDelivery(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "20")
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	err := PostJSON(t.Context(), HTTPClient(time.Minute), Token(server.URL), SlackWebhook, nil, nil)
	if o, _ := OutcomeOf(err); o != Unclear {
		t.Errorf("%s, %v", o, err)
	}
}
