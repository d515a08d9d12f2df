package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/handlers"
	"callwatch/handlers/access"
	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// apiOf is an API over one open incident; it keeps what was marked.
func apiOf(marked *[]rules.Action) *api.API {
	open := rules.Incident{ID: "inc_1", Rule: "bad-call", State: rules.Firing, By: []rules.Label{{Name: "provider", Value: "p"}}}
	closed := rules.Incident{ID: "inc_0", Rule: "bad-call", State: rules.Resolved}
	shown := &api.API{
		History: &backend.History{
			Incident: func(context.Context, string) (backend.IncidentHistory, error) {
				return backend.IncidentHistory{}, backend.ErrNotFound
			},
			Status: func(context.Context) backend.Status { return backend.Status{Version: json.RawMessage("{}")} },
		},
		Open:     func() []rules.Incident { return []rules.Incident{open} },
		Latest:   func(context.Context) ([]rules.Incident, error) { return []rules.Incident{closed, open}, nil },
		Silences: func() []rules.Silence { return []rules.Silence{{ID: "file_1"}, {ID: "full"}} },
		Health:   func() []rules.Health { return []rules.Health{{Rule: "bad-call"}} },
		Keys:     func(string) []rules.KeyHealth { return nil },
		Rules:    func() backend.RulesFile { return backend.RulesFile{Path: "rules.yaml"} },
		Reload:   func(context.Context) (backend.RulesFile, error) { return backend.RulesFile{}, nil },
		Progress: func() backend.Progress { return backend.Progress{Sequence: 7} },
		Act: func(_ context.Context, a rules.Action) (bool, error) {
			if a.Do == rules.AddSilence {
				if err := (*rules.Set)(nil).CheckSilence(a.Silence); err != nil {
					return false, err
				}
			}
			*marked = append(*marked, a)
			if a.By == "nobody can store" {
				return false, errors.New("disk on fire at /var/lib/secret")
			}
			return a.By != "late", nil
		},
	}
	return shown
}

// admins is access for admins with these tokens.
func admins(tokens ...string) (c access.Config) {
	for _, t := range tokens {
		c.Tokens = append(c.Tokens, access.AdminToken(t))
	}
	return c
}

// ask makes a request with a token; pairs are further headers.
func ask(t *testing.T, method, url, body, token string, pairs ...string) answer {
	t.Helper()
	h := map[string]string{}
	if body != "" {
		h["Content-Type"] = "application/json"
	}
	if token != "" {
		h["Authorization"] = "Bearer " + token
	}
	return send(t, method, url, body, with(h, pairs...))
}

func TestAPIAccess(t *testing.T) {
	var marked []rules.Action
	open := serve(t, handlers.Config{API: apiOf(&marked), Access: admins("retired", "t0ken")})
	off := serve(t, handlers.Config{API: apiOf(&marked)})
	dev := serve(t, handlers.Config{API: apiOf(&marked), Dev: true})
	for name, c := range map[string]struct {
		base   string
		header []string
		want   int
	}{
		"right token":          {open, []string{"Authorization", "Bearer t0ken"}, 200},
		"the other token":      {open, []string{"Authorization", "bearer  retired"}, 200},
		"no token":             {open, nil, 401},
		"wrong token":          {open, []string{"Authorization", "Bearer t0ken2"}, 401},
		"empty token":          {open, []string{"Authorization", "Bearer "}, 401},
		"token of basic":       {open, []string{"Authorization", "Basic t0ken"}, 401},
		"token alone":          {open, []string{"Authorization", "t0ken"}, 401},
		"none configured":      {off, []string{"Authorization", "Bearer "}, 403},
		"development":          {dev, nil, 200},
		"development by a DNS": {dev, []string{"Host", "evil.example"}, 421},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, http.MethodGet, c.base+"/api/v1/incidents?state=open", "", with(nil, c.header...))
			if a.status != c.want {
				t.Errorf("answered %d, want %d", a.status, c.want)
			}
			if c.want == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("asks for %q", a.header.Get("WWW-Authenticate"))
			}
			if c.want != 200 && a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("answers %q", a.header.Get("Content-Type"))
			}
		})
	}
	a := ask(t, http.MethodPost, dev+"/api/v1/incidents/inc_1/ack", `{"by":"mallory"}`, "", "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusForbidden || len(marked) != 0 {
		t.Errorf("a page of another site was answered %d, marked %v", a.status, marked)
	}
}

func TestAPIRequests(t *testing.T) {
	var marked []rules.Action
	base := serve(t, handlers.Config{API: apiOf(&marked), Access: admins("t"), Now: func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }}) + "/api/v1"
	for name, c := range map[string]struct {
		method, path, body string
		want               int
		says               string
	}{
		"status":               {"GET", "/status", "", 200, `"judged":{"sequence":7`},
		"open":                 {"GET", "/incidents?state=open", "", 200, `[{"id":"inc_1"`},
		"all":                  {"GET", "/incidents", "", 200, `inc_0`},
		"resolved":             {"GET", "/incidents?state=resolved", "", 200, `[{"id":"inc_0"`},
		"no such place":        {"GET", "/incidents?after=yesterday", "", 400, "what an earlier answer had as next"},
		"no such state":        {"GET", "/incidents?state=shut", "", 400, "state is open, acknowledged, silenced or resolved"},
		"show resolved":        {"GET", "/incidents/inc_0", "", 200, `"id":"inc_0"`},
		"show unknown":         {"GET", "/incidents/inc_2", "", 404, "No such incident"},
		"ack":                  {"POST", "/incidents/inc_1/ack", `{"by":"ada"}`, 200, `inc_1`},
		"assign":               {"POST", "/incidents/inc_1/assign", `{"by":"ada","to":"bob"}`, 200, `inc_1`},
		"assign resolved":      {"POST", "/incidents/inc_0/assign", `{"by":"ada","to":"bob"}`, 409, "resolved already"},
		"note":                 {"POST", "/incidents/inc_1/note", `{"by":"ada","text":"known"}`, 200, `inc_1`},
		"empty note":           {"POST", "/incidents/inc_1/note", `{"by":"ada"}`, 422, "a note is one line"},
		"ack late":             {"POST", "/incidents/inc_1/ack", `{"by":"late"}`, 202, `inc_1`},
		"ack not stored":       {"POST", "/incidents/inc_1/ack", `{"by":"nobody can store"}`, 503, "could not be made durable"},
		"ack by nobody":        {"POST", "/incidents/inc_1/ack", `{}`, 422, "must be named"},
		"ack resolved":         {"POST", "/incidents/inc_0/ack", `{"by":"ada"}`, 409, "resolved already"},
		"unack unknown":        {"POST", "/incidents/inc_2/unack", `{"by":"ada"}`, 404, ""},
		"unknown member":       {"POST", "/incidents/inc_1/ack", `{"by":"ada","for":"1h"}`, 400, "unknown field"},
		"two values":           {"POST", "/incidents/inc_1/ack", `{"by":"ada"}{}`, 400, ""},
		"no JSON":              {"POST", "/incidents/inc_1/ack", `by=ada`, 400, ""},
		"too large":            {"POST", "/incidents/inc_1/ack", `{"by":"` + strings.Repeat("x", 70_000) + `"}`, 413, ""},
		"silence by match":     {"POST", "/silences", `{"id":"full","match":"rule == \"bad-call\"","for":"1h","by":"ada"}`, 201, `full`},
		"silence not taken":    {"POST", "/silences", `{"match":"rule == \"bad-call\"","for":"1h","by":"ada"}`, 409, ""},
		"silence later":        {"POST", "/silences", `{"incident":"inc_1","for":"1h","by":"late"}`, 202, `"match":"rule == \"bad-call\" && provider == \"p\"","until":"2026-11-01T13:00:00Z"`},
		"silence of nothing":   {"POST", "/silences", `{"for":"1h","by":"ada"}`, 422, "either match or incident"},
		"silence for ever":     {"POST", "/silences", `{"match":"rule == \"a\"","by":"ada"}`, 422, "either for or until"},
		"silence of the past":  {"POST", "/silences", `{"match":"rule == \"a\"","until":"2026-11-01T12:00:00Z","by":"ada"}`, 422, "over already"},
		"silence for a while":  {"POST", "/silences", `{"match":"rule == \"a\"","for":"a while","by":"ada"}`, 422, "not a duration"},
		"silence for NaN days": {"POST", "/silences", `{"match":"rule == \"a\"","for":"NaNd","by":"ada"}`, 422, "not a duration"},
		"silence of gibberish": {"POST", "/silences", `{"match":"rul == \"a\"","for":"1h","by":"ada"}`, 422, `"code":"unknown-field"`},
		"silence of unknown":   {"POST", "/silences", `{"incident":"inc_9","for":"1h","by":"ada"}`, 404, ""},
		"silence of resolved":  {"POST", "/silences", `{"incident":"inc_0","for":"1h","by":"ada"}`, 409, "resolved already"},
		"expire":               {"DELETE", "/silences/full?by=ada", "", 204, ""},
		"expire by nobody":     {"DELETE", "/silences/full", "", 422, ""},
		"expire of the file":   {"DELETE", "/silences/file_1?by=ada", "", 409, "remove it there"},
		"expire unknown":       {"DELETE", "/silences/other?by=ada", "", 404, ""},
		"rules":                {"GET", "/rules", "", 200, `"rules":[{"rule":"bad-call"`},
		"reload":               {"POST", "/rules/reload", "", 200, ""},
		"no such path":         {"GET", "/nothing", "", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, c.method, base+c.path, c.body, "t")
			if a.status != c.want || !strings.Contains(a.body, c.says) {
				t.Errorf("answered %d %s, want %d with %q", a.status, a.body, c.want, c.says)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("the answer shows what only the log may: %s", a.body)
			}
			var p struct{ Status int }
			if c.want >= 400 && (json.Unmarshal([]byte(a.body), &p) != nil || p.Status != c.want) {
				t.Errorf("%s is no problem of status %d", a.body, c.want)
			}
		})
	}
	a := ask(t, http.MethodPost, base+"/incidents/inc_1/ack", `{"by":"ada"}`, "t", "Content-Type", "text/plain")
	if a.status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain, which any page can send, is answered %d", a.status)
	}
}

func TestReloadOfAWrongFile(t *testing.T) {
	var marked []rules.Action
	shown := apiOf(&marked)
	_, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - {name: a, when: packetLost > 50}\n"))
	file := backend.RulesFile{Problems: problems}
	shown.Reload = func(context.Context) (backend.RulesFile, error) { return file, nil }
	base := serve(t, handlers.Config{API: shown, Access: admins("t")})
	a := ask(t, http.MethodPost, base+"/api/v1/rules/reload", "", "t")
	if a.status != 422 || !strings.Contains(a.body, `"line":2`) || !strings.Contains(a.body, "did you mean packetsLost?") {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	file = backend.RulesFile{Pending: true}
	if a = ask(t, http.MethodPost, base+"/api/v1/rules/reload", "", "t"); a.status != 202 {
		t.Errorf("pending: answered %d", a.status)
	}
}

// A list of any length is read in parts, while incidents come and go.
func TestIncidentsInParts(t *testing.T) {
	const many = 2345
	open := map[string]rules.Incident{}
	for i := range many {
		id := fmt.Sprintf("inc_%04d", i)
		open[id] = rules.Incident{ID: id, State: rules.Firing, OpenedAt: noon.Add(time.Duration(i%3) * time.Nanosecond)}
	}
	var marked []rules.Action
	shown := apiOf(&marked)
	shown.Open = func() []rules.Incident { return slices.Collect(maps.Values(open)) }
	base := serve(t, handlers.Config{API: shown, Access: admins("t")}) + "/api/v1/incidents?state=open"
	var part struct {
		Incidents []rules.Incident
		Next      string
	}
	seen, parts := map[string]int{}, 0
	for next := "first"; next != ""; next, parts = part.Next, parts+1 {
		address := base
		if parts > 0 {
			address += "&after=" + url.QueryEscape(next)
		}
		part.Next = ""
		if a := ask(t, http.MethodGet, address, "", "t"); a.status != 200 || json.Unmarshal([]byte(a.body), &part) != nil {
			t.Fatalf("%d %.200s", a.status, a.body)
		}
		for i, in := range part.Incidents {
			if seen[in.ID]++; i > 0 && in.OpenedAt.After(part.Incidents[i-1].OpenedAt) {
				t.Fatal("not newest first")
			}
		}
		delete(open, part.Incidents[len(part.Incidents)-1].ID) // the one the next part is reckoned from
		open["late"] = rules.Incident{ID: "late", State: rules.Firing, OpenedAt: noon.Add(time.Hour)}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is listed %d times", id, n)
		}
	}
	if len(seen) != many || parts != 3 {
		t.Errorf("%d incidents in %d parts, want %d in 3", len(seen), parts, many)
	}
}
