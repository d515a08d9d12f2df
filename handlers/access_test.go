package handlers_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers"
	"callwatch/handlers/access"
	"callwatch/rules"
)

// routeRoles is the role that each route needs; "" for those that anyone may ask for.
// Files below /static are left out: anyone may have them.
const routeRoles = `
GET     /livez                                   
HEAD    /livez                                   
GET     /readyz                                  
HEAD    /readyz                                  
GET     /version                                 
HEAD    /version                                 
POST    /webhooks/:provider                      
POST    /webhooks/:provider/                     
POST    /webhooks/:provider/:token               
GET     /login                                   
POST    /login                                   
POST    /logout                                  
GET     /login/oidc                              
GET     /login/oidc/callback                     
GET     /                                        viewer
GET     /live                                    viewer
GET     /stream/events                           viewer
GET     /stream/calls                            viewer
GET     /stream/incidents                        viewer
GET     /calls                                   viewer
GET     /calls/export                            viewer
GET     /calls/:provider/:id                     viewer
GET     /calls/:provider/:id/raw/:raw            viewer
GET     /incidents                               viewer
GET     /incidents/:id                           viewer
POST    /incidents/:id                           operator
GET     /rules                                   viewer
GET     /rules/words                             viewer
GET     /rules/:name                             viewer
POST    /rules/check                             operator
POST    /rules/try                               operator
POST    /rules/backtest                          operator
GET     /silences                                viewer
POST    /silences                                operator
POST    /silences/preview                        operator
POST    /silences/extend                         operator
POST    /silences/expire                         operator
GET     /dead-letters                            viewer
GET     /dead-letters/:raw                       viewer
POST    /dead-letters/replay                     operator
GET     /status                                  viewer
GET     /api/v1/openapi-3.0.json                 viewer
GET     /api/v1/openapi.json                     viewer
GET     /api/v1/openapi.yaml                     viewer
GET     /api/v1/status                           viewer
GET     /api/v1/providers                        viewer
GET     /api/v1/fields                           viewer
GET     /api/v1/events                           viewer
GET     /api/v1/events/stream                    viewer
GET     /api/v1/bodies/:rawId                    viewer
GET     /api/v1/calls                            viewer
GET     /api/v1/calls/:provider/:callId          viewer
GET     /api/v1/calls/:provider/:callId/explain  viewer
POST    /api/v1/calls/:provider/:callId/try      operator
GET     /api/v1/stats                            viewer
GET     /api/v1/incidents                        viewer
GET     /api/v1/incidents/stream                 viewer
GET     /api/v1/incidents/:id                    viewer
GET     /api/v1/incidents/:id/calls              viewer
POST    /api/v1/incidents/:id/ack                operator
POST    /api/v1/incidents/:id/unack              operator
POST    /api/v1/incidents/:id/resolve            operator
POST    /api/v1/incidents/:id/assign             operator
POST    /api/v1/incidents/:id/note               operator
GET     /api/v1/silences                         viewer
POST    /api/v1/silences                         operator
DELETE  /api/v1/silences/:id                     operator
GET     /api/v1/rules                            viewer
GET     /api/v1/rules/:name                      viewer
POST    /api/v1/rules/check                      operator
POST    /api/v1/rules/backtest                   operator
POST    /api/v1/rules/reload                     admin
GET     /api/v1/deadletters                      viewer
POST    /api/v1/deadletters/replay               operator
GET     /api/v1/store                            viewer
POST    /api/v1/store/prune                      admin
GET     /api/v1/store/backup                     admin
POST    /api/v1/work/stats                       viewer
POST    /api/v1/work/deadletters-replay          operator
POST    /api/v1/work/erase                       admin
GET     /debug/pprof/                            admin
GET     /debug/pprof/:profile                    admin
GET     /debug/pprof/cmdline                     admin
GET     /debug/pprof/profile                     admin
GET     /debug/pprof/trace                       admin
GET     /debug/pprof/symbol                      admin
POST    /debug/pprof/symbol                      admin
`

// wantedRoles reads routeRoles.
func wantedRoles(t *testing.T) map[string]access.Role {
	t.Helper()
	wanted := map[string]access.Role{}
	for line := range strings.Lines(routeRoles) {
		f := strings.Fields(line)
		switch len(f) {
		case 0:
		case 2:
			wanted[f[0]+" "+f[1]] = access.Nobody
		default:
			role, err := access.ParseRole(f[2])
			if err != nil {
				t.Fatal(err)
			}
			wanted[f[0]+" "+f[1]] = role
		}
	}
	return wanted
}

// team is an office with a token for each role.
func team(o *office) handlers.Config {
	return handlers.Config{
		API: o.api(),
		Access: access.Config{Tokens: []access.Token{
			access.NewToken(access.User{Name: "Vera", Role: access.Viewer}, "viewer-token"),
			access.NewToken(access.User{Name: "Olaf", Role: access.Operator}, "operator-token"),
			access.NewToken(access.User{Name: "Ada", Role: access.Admin}, "admin-token"),
		}},
		Work: func(context.Context, string, url.Values, io.Reader, func(done, total int64)) (any, error) {
			return "done", nil
		},
		WorkRoles: map[string]access.Role{"stats": access.Viewer, "deadletters-replay": access.Operator, "erase": access.Admin},
	}
}

// TestEveryRouteHasItsRole tries each route of the router with each role.
func TestEveryRouteHasItsRole(t *testing.T) {
	o := newOffice(t)
	o.busy()
	c := team(o)
	c.Access.OIDC = &access.OIDC{Issuer: "http://127.0.0.1:1"}
	e := handlers.New(c).(*echo.Echo)
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	cookies := map[string]*http.Cookie{}
	for _, role := range []string{"viewer", "operator", "admin"} {
		v := &visitor{t: t, base: srv.URL, header: http.Header{}}
		answer, _ := v.ask("POST", "/login", url.Values{"token": {role + "-token"}})
		if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies) != 1 {
			t.Fatalf("log-in of the %s: %d", role, answer.StatusCode)
		}
		cookies[role] = answer.Cookies[0]
	}
	wanted, seen := wantedRoles(t), map[string]bool{}
	parameter := regexp.MustCompile(`:\w+`)
	for _, r := range e.Routes() {
		if strings.HasPrefix(r.Path, "/static/") || strings.Contains(r.Method, "echo") {
			continue
		}
		name := r.Method + " " + r.Path
		seen[name] = true
		want, listed := wanted[name]
		if !listed {
			t.Errorf("%s is not in the table: say which role it needs", name)
			continue
		}
		path := parameter.ReplaceAllString(r.Path, "x") + "?seconds=1"
		for role, cookie := range cookies {
			has, _ := access.ParseRole(role)
			status := statusOf(t, r.Method, srv.URL+path, func(req *http.Request) {
				if strings.HasPrefix(r.Path, "/api/") || strings.HasPrefix(r.Path, "/debug/") {
					req.Header.Set("Authorization", "Bearer "+role+"-token")
				} else if r.Path != "/logout" {
					req.AddCookie(cookie)
				}
			})
			if refused := status == http.StatusForbidden; refused != (has < want) && !strings.HasPrefix(r.Path, "/webhooks") {
				t.Errorf("%s by %s: %d, it needs %s", name, role, status, want)
			}
		}
		status := statusOf(t, r.Method, srv.URL+path, func(*http.Request) {})
		if open := status != http.StatusUnauthorized && status != http.StatusSeeOther; want > access.Nobody && open {
			t.Errorf("%s by nobody: %d", name, status)
		}
	}
	for name := range wanted {
		if !seen[name] {
			t.Errorf("there is no route %s", name)
		}
	}

	// A route that nobody gave a role is closed, to admins as well.
	e.GET("/new", func(c echo.Context) error { return c.String(http.StatusOK, "secret") })
	if status := statusOf(t, "GET", srv.URL+"/new", func(req *http.Request) { req.AddCookie(cookies["admin"]) }); status != http.StatusForbidden {
		t.Errorf("a route without a role: %d", status)
	}
	if status := statusOf(t, "GET", srv.URL+"/nowhere", func(*http.Request) {}); status != http.StatusNotFound {
		t.Errorf("no route: %d", status)
	}
}

// statusOf is the status of an answer whose body is not read: it may be a stream.
func statusOf(t *testing.T, method, address string, prepare func(*http.Request)) int {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(address, "/api/") {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	prepare(req)
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

var postForm = regexp.MustCompile(`(?s)<form[^>]*method="post"[^>]*action="([^"]*)".*?</form>`)

// TestButtonsFollowTheRole: a page shows the buttons that its reader may press, and
// each of these is let through.
func TestButtonsFollowTheRole(t *testing.T) {
	silence := rules.Silence{ID: "sil_1", Match: `rule == "nothing"`, Until: time.Now().Add(time.Hour), By: "Ada"}
	pages := []string{"/", "/calls", "/live", "/incidents", "/incidents/ID", "/rules", "/rules/low-mos", "/silences", "/silences?match=x", "/dead-letters", "/dead-letters/raw-70", "/status"}
	for role, want := range map[string][]string{
		"viewer":   {"/logout"},
		"operator": {"/dead-letters/replay", "/incidents/", "/logout", "/rules/backtest", "/rules/try", "/silences", "/silences/expire", "/silences/extend"},
		"admin":    {"/dead-letters/replay", "/incidents/", "/logout", "/rules/backtest", "/rules/try", "/silences", "/silences/expire", "/silences/extend"},
	} {
		o := newOffice(t)
		o.busy()
		if _, err := o.mark(t.Context(), rules.Action{Do: rules.AddSilence, By: "Ada", Silence: &silence}); err != nil {
			t.Fatal(err)
		}
		v := &visitor{t: t, base: serve(t, team(o)), header: http.Header{}}
		answer, _ := v.ask("POST", "/login", url.Values{"token": {role + "-token"}})
		v.cookie = answer.Cookies[0]
		actions := map[string]bool{}
		for _, page := range pages {
			page = strings.Replace(page, "ID", o.engine.Incidents()[0].ID, 1)
			answer, body := v.ask("GET", page, nil)
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s for the %s: %d", page, role, answer.StatusCode)
			}
			for _, form := range postForm.FindAllStringSubmatch(body, -1) {
				actions[form[1]] = true
			}
			if role == "viewer" && regexp.MustCompile(`hx-post|href="/silences\?(edit|match)|#backtest`).MatchString(body) {
				t.Errorf("%s leads a viewer to what only operators may do", page)
			}
		}
		var shown []string
		for action := range actions {
			if action != "/logout" {
				if answer, _ := v.ask("POST", action, url.Values{}); answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized {
					t.Errorf("the %s is shown a button of %s, which answers %d", role, action, answer.StatusCode)
				}
			}
			if strings.HasPrefix(action, "/incidents/") {
				action = "/incidents/"
			}
			shown = append(shown, action)
		}
		slices.Sort(shown)
		if shown = slices.Compact(shown); !slices.Equal(shown, want) {
			t.Errorf("the %s has the buttons %q, want %q", role, shown, want)
		}
	}
}

// TestWhoActed: the name of the token is shown with what is done, whatever the request
// says; the admin token has none.
func TestWhoActed(t *testing.T) {
	var marked []rules.Action
	c := team(newOffice(t))
	c.API = apiOf(&marked)
	c.Access.Tokens = append(c.Access.Tokens, access.AdminToken("nameless-token"))
	base := serve(t, c)
	for _, want := range []struct{ token, body, by string }{
		{"operator-token", `{}`, "Olaf"},
		{"operator-token", `{"by":"mallory"}`, "Olaf"},
		{"nameless-token", `{"by":"ada"}`, "ada"},
	} {
		marked = nil
		a := ask(t, "POST", base+"/api/v1/incidents/inc_1/ack", want.body, want.token)
		if a.status != http.StatusOK || len(marked) != 1 || marked[0].By != want.by {
			t.Errorf("%s with %s: %d, %+v", want.body, want.token, a.status, marked)
		}
	}
	v := &visitor{t: t, base: base, header: http.Header{}}
	answer, _ := v.ask("POST", "/login", url.Values{"token": {"operator-token"}, "name": {"Mallory"}})
	v.cookie, marked = answer.Cookies[0], nil
	v.ask("POST", "/incidents/inc_1", url.Values{"do": {"acknowledge"}})
	if len(marked) != 1 || marked[0].By != "Olaf" {
		t.Errorf("in the console: %+v", marked)
	}
}

// TestTrustedProxy: names and addresses are believed of a trusted proxy alone.
func TestTrustedProxy(t *testing.T) {
	roles := access.Mapping{Viewer: []string{"*"}, Operator: []string{"voice"}, Admin: []string{"user:root@example.com"}}
	config := func(network string) handlers.Config {
		c := team(newOffice(t))
		c.Access.UserHeader, c.Access.GroupsHeader, c.Access.Roles = "X-User", "X-Groups", roles
		c.Access.Proxies = []netip.Prefix{netip.MustParsePrefix(network)}
		return c
	}
	trusted, other := serve(t, config("127.0.0.0/8")), serve(t, config("192.0.2.0/24"))
	for name, c := range map[string]struct {
		base, user, groups, method, path string
		want                             int
	}{
		"reads":                  {trusted, "eve", "", "GET", "/status", 200},
		"reads the API":          {trusted, "eve", "", "GET", "/api/v1/silences", 200},
		"does not act":           {trusted, "eve", "sales", "POST", "/silences/preview", 403},
		"acts by a group":        {trusted, "eve", "sales, voice", "POST", "/silences/preview", 200},
		"acts by the API":        {trusted, "eve", "voice", "DELETE", "/api/v1/silences/x", 404},
		"does not administer":    {trusted, "eve", "voice", "GET", "/debug/pprof/cmdline", 403},
		"administers by a name":  {trusted, "root@example.com", "", "GET", "/debug/pprof/cmdline", 200},
		"is named as a group":    {trusted, "voice", "", "POST", "/silences/preview", 403},
		"a group as a user":      {trusted, "eve", "user:root@example.com", "GET", "/debug/pprof/cmdline", 403},
		"nobody":                 {trusted, "", "voice", "GET", "/api/v1/silences", 401},
		"another's header":       {other, "root@example.com", "voice", "GET", "/api/v1/silences", 401},
		"another's header, page": {other, "root@example.com", "voice", "GET", "/status", 303},
	} {
		header := map[string]string{"X-Groups": c.groups, "Content-Type": "application/x-www-form-urlencoded"}
		if c.user != "" {
			header["X-User"] = c.user
		}
		req := func(r *http.Request) {
			for k, v := range header {
				r.Header.Set(k, v)
			}
		}
		if got := statusOf(t, c.method, c.base+c.path, req); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestGuesses: wrong tokens are limited by address on each route that checks tokens; the
// right one is taken at any time, and clients of a trusted proxy have their own address.
func TestGuesses(t *testing.T) {
	now := time.Now()
	c := team(newOffice(t))
	c.Now = func() time.Time { return now }
	c.Access.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	base := serve(t, c)
	api := func(token, from string) int {
		return statusOf(t, "GET", base+"/api/v1/silences", func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("X-Forwarded-For", from)
		})
	}
	hook := func(token, from string) int {
		return statusOf(t, "POST", base+"/webhooks/tokened/"+token, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Forwarded-For", from)
		})
	}
	for name, try := range map[string]struct {
		do    func(token, from string) int
		right string
		from  string
	}{
		"api":     {api, "viewer-token", "198.51.100.7"},
		"webhook": {hook, url.PathEscape(urlToken), "198.51.100.8"},
	} {
		limited := 0
		for i := range access.ProgramLimit.Tries + 10 {
			switch got := try.do(fmt.Sprintf("guess-%d", i), try.from); {
			case got == http.StatusTooManyRequests:
				limited++
			case got != http.StatusUnauthorized || limited > 0:
				t.Fatalf("%s: guess %d: %d", name, i, got)
			}
		}
		if limited != 10 {
			t.Errorf("%s: %d guesses were limited, want 10", name, limited)
		}
		if got := try.do(try.right, try.from); got != http.StatusOK {
			t.Errorf("%s: the right token from the same address: %d", name, got)
		}
		if got := try.do("guess", "198.51.100.99"); got != http.StatusUnauthorized {
			t.Errorf("%s: another client's first guess: %d", name, got)
		}
		// A forged entry on the left is not the client's address.
		if got := try.do("guess", "203.0.113.1, "+try.from); got != http.StatusTooManyRequests {
			t.Errorf("%s: with a forged address: %d", name, got)
		}
	}
}

// TestLogOutEndsStreams: a stream ends with the session that opened it, and no other.
func TestLogOutEndsStreams(t *testing.T) {
	base := serve(t, team(newOffice(t)))
	open := func(token string) (*visitor, io.Reader) {
		v := &visitor{t: t, base: base, header: http.Header{}}
		answer, _ := v.ask("POST", "/login", url.Values{"token": {token}})
		v.cookie = answer.Cookies[0]
		r, _ := http.NewRequestWithContext(t.Context(), "GET", base+"/stream/events", nil)
		r.AddCookie(v.cookie)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("stream: %v", cmp.Or(err, fmt.Errorf("status %d", res.StatusCode)))
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return v, res.Body
	}
	vera, hers := open("viewer-token")
	_, his := open("operator-token")
	ended := func(r io.Reader) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for lines := bufio.NewScanner(r); lines.Scan(); {
			}
		}()
		return done
	}
	hersEnded, hisEnded := ended(hers), ended(his)
	vera.ask("POST", "/logout", nil)
	select {
	case <-hersEnded:
	case <-time.After(5 * time.Second):
		t.Error("the stream goes on after the log-out")
	}
	select {
	case <-hisEnded:
		t.Error("another's stream ended, too")
	case <-time.After(100 * time.Millisecond):
	}
}

// TestRestartLogsOut: sessions are in memory. A browser whose session was of an earlier
// process is led to the log-in page, and its cookie opens nothing.
func TestRestartLogsOut(t *testing.T) {
	v := &visitor{t: t, base: serve(t, team(newOffice(t))), header: http.Header{}}
	answer, _ := v.ask("POST", "/login", url.Values{"token": {"operator-token"}})
	v.cookie = answer.Cookies[0]
	if answer, _ := v.ask("GET", "/incidents", nil); answer.StatusCode != http.StatusOK {
		t.Fatalf("logged in: %d", answer.StatusCode)
	}
	v.base = serve(t, team(newOffice(t)))
	if answer, _ := v.ask("GET", "/incidents", nil); answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), "/login") {
		t.Errorf("a page after the restart: %d %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	if answer, _ := v.ask("POST", "/api/v1/rules/reload", nil); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the API after the restart: %d", answer.StatusCode)
	}
}

// TestCookies are secure wherever browsers come over https, and of the console's path.
func TestCookies(t *testing.T) {
	for name, c := range map[string]struct {
		public, console string
		proto           string
		trusted         bool
		secure          bool
		path            string
	}{
		"plain":                  {"http://x.example", "", "", false, false, "/"},
		"public":                 {"https://x.example/voice", "", "", false, true, "/voice/"},
		"console":                {"http://x.example/hooks", "https://tools.example/callwatch/", "", false, true, "/callwatch/"},
		"by the proxy":           {"", "", "https", true, true, "/"},
		"by somebody, no proxy":  {"", "", "https", false, false, "/"},
		"a plain trusted client": {"", "", "http", true, false, "/"},
	} {
		config := team(newOffice(t))
		config.PublicURL, config.ConsoleURL = c.public, c.console
		if c.trusted {
			config.Access.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		v := &visitor{t: t, base: serve(t, config), header: http.Header{}}
		if c.proto != "" {
			v.header.Set("X-Forwarded-Proto", c.proto)
		}
		answer, _ := v.ask("POST", "/login", url.Values{"token": {"admin-token"}})
		if len(answer.Cookies) != 1 || answer.Cookies[0].Secure != c.secure || answer.Cookies[0].Path != c.path {
			t.Errorf("%s: %v", name, answer.Cookies)
		}
	}
}
