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
		Interactions: func(_ context.Context, h http.Header, body []byte) (int, []byte) {
			signature, got = h.Get("X-Slack-Signature"), string(body)
			return http.StatusUnauthorized, []byte("no")
		},
	}))
	defer server.Close()
	post := func(body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/slack/interactions", strings.NewReader(body))
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
	if status, answer := post("payload=%7B%7D+x"); status != 401 || answer != "no" || signature != "v0=1" || got != "payload=%7B%7D+x" {
		t.Errorf("answered %d %q; handed over %q and %q", status, answer, signature, got)
	}
	if status, _ := post(strings.Repeat("x", 2<<20)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB: %d", status)
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
