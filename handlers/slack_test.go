package handlers_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"callwatch/handlers"
)

func TestInteractionsGetHeaderAndExactBody(t *testing.T) {
	var signature, got string
	server := httptest.NewServer(handlers.New(handlers.Config{
		Interactions: map[string]handlers.Interactions{
			"": func(_ context.Context, h http.Header, body []byte) (int, []byte) {
				signature, got = h.Get("X-Slack-Signature"), string(body)
				return http.StatusUnauthorized, []byte("no")
			},
			"emea": func(context.Context, http.Header, []byte) (int, []byte) { return http.StatusOK, []byte("emea") },
		},
	}))
	defer server.Close()
	postTo := func(path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Slack-Signature", "v0=1")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		answer, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(answer)
	}
	post := func(body string) (int, string) { return postTo("/slack/interactions", body) }
	if status, answer := post("payload=%7B%7D+x"); status != 401 || answer != "no" || signature != "v0=1" || got != "payload=%7B%7D+x" {
		t.Errorf("answered %d %q; handed over %q and %q", status, answer, signature, got)
	}
	if status, _ := post(strings.Repeat("x", 2<<20)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB: %d", status)
	}
	if status, answer := postTo("/slack/interactions/emea", "payload=x"); status != http.StatusOK || answer != "emea" {
		t.Errorf("another workspace: %d %q", status, answer)
	}
	if status, _ := postTo("/slack/interactions/apac", "payload=x"); status != http.StatusNotFound {
		t.Errorf("a workspace that is not there: %d", status)
	}
}

func TestWithoutInteractionsThereIsNoRoute(t *testing.T) {
	server := httptest.NewServer(handlers.New(handlers.Config{}))
	defer server.Close()
	res, err := http.Post(server.URL+"/slack/interactions", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", res.StatusCode)
	}
}
