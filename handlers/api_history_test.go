package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
)

// Work is answered line by line: refusals in words, failures without their cause.
func TestWork(t *testing.T) {
	work := func(_ context.Context, name string, params url.Values, body io.Reader, _ func(done, total int64)) (any, error) {
		sent, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		switch name {
		case "refused":
			return nil, &Refusal{errors.New("there is no such call")}
		case "failed":
			return nil, errors.New("secret cause")
		}
		return map[string]string{"name": name, "since": params.Get("since"), "sent": string(sent)}, nil
	}
	srv := httptest.NewServer(New(Config{
		Log: slog.New(slog.DiscardHandler), API: &api.API{}, Access: access.Config{Tokens: []access.Token{access.AdminToken("token")}}, Work: work, WorkRoles: map[string]access.Role{"done": access.Admin, "refused": access.Admin, "failed": access.Admin},
	}))
	t.Cleanup(srv.Close)
	ask := func(name, token string) (int, WorkLine) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/api/v1/work/"+name+"?since=7d", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var line WorkLine
		if err := json.NewDecoder(res.Body).Decode(&line); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, line
	}
	if status, line := ask("done", "token"); status != http.StatusOK || string(line.Result) != `{"name":"done","sent":"body","since":"7d"}` {
		t.Errorf("done: %d %+v", status, line)
	}
	if _, line := ask("refused", "token"); !line.Refused || line.Error != "there is no such call" || line.Result != nil {
		t.Errorf("refused: %+v", line)
	}
	if _, line := ask("failed", "token"); line.Refused || line.Error == "" || strings.Contains(line.Error, "secret") {
		t.Errorf("failed: %+v", line)
	}
	if status, _ := ask("done", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", status)
	}
}
