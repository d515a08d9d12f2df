package handlers_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// visitor is a browser without scripts: it keeps no cookie by itself and follows
// no redirect.
type visitor struct {
	t      *testing.T
	base   string
	cookie *http.Cookie
	header http.Header
}

// reply is an answer whose body was read.
type reply struct {
	StatusCode int
	Header     http.Header
	Cookies    []*http.Cookie
}

func (v *visitor) ask(method, path string, form url.Values) (reply, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	for name, values := range v.header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, answer.Cookies()}, string(body)
}

// consoleRoutes are all routes of the console behind the log-in.
func consoleRoutes() map[string][]string {
	return map[string][]string{
		"GET": {
			"/", "/calls", "/calls/export", "/live", "/rules/x", "/stream/calls", "/stream/events", "/stream/incidents", "/calls/telnyx/x", "/calls/telnyx/x/raw/y", "/incidents", "/incidents/x", "/rules", "/rules/words",
			"/silences", "/dead-letters", "/dead-letters/raw-70", "/status",
		},
		"POST": {"/incidents/x", "/rules/check", "/rules/try", "/rules/backtest", "/silences", "/silences/expire", "/dead-letters/replay"},
	}
}

// TestConsoleLogin: without a session nothing is shown or done; the token opens
// one, it ends with its time and by logging out.
func TestConsoleLogin(t *testing.T) {
	o := newOffice(t)
	o.busy()
	a := o.api()
	now := time.Now()
	var log bytes.Buffer
	config := handlers.Config{API: a, Access: admins("old", "adm1n"), PublicURL: "https://voice.example", Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))}
	v := &visitor{t: t, base: serve(t, config), header: http.Header{}}
	closed := func() {
		t.Helper()
		for method, paths := range consoleRoutes() {
			for _, path := range paths {
				answer, body := v.ask(method, path, url.Values{})
				toLogin := answer.StatusCode == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), "/login")
				if !toLogin && answer.StatusCode != http.StatusUnauthorized || strings.Contains(body, "telnyx") {
					t.Errorf("%s %s: %d without a session", method, path, answer.StatusCode)
				}
			}
		}
	}
	closed()

	answer, body := v.ask("POST", "/login", url.Values{"token": {"wrong"}, "name": {"Ada"}})
	if answer.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "no such token") || len(answer.Cookies) > 0 {
		t.Fatalf("wrong token: %d", answer.StatusCode)
	}
	answer, _ = v.ask("POST", "/login", url.Values{"token": {"adm1n"}, "name": {"Ada"}, "next": {"//evil.example/"}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(answer.Cookies) != 1 {
		t.Fatalf("log-in: %d to %q", answer.StatusCode, answer.Header.Get("Location"))
	}
	v.cookie = answer.Cookies[0]
	if c := v.cookie; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge <= 0 || len(c.Value) < 40 || strings.Contains(c.Value, "adm1n") {
		t.Errorf("cookie %s", c)
	}
	answer, body = v.ask("GET", "/", nil)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, "telnyx") || !strings.Contains(body, "Ada") {
		t.Fatalf("with a session: %d", answer.StatusCode)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}

	// What is done bears the name, and is in the log; other sites cannot do it.
	id := a.Open()[0].ID
	ack := url.Values{"do": {"acknowledge"}, "back": {"https://evil.example/"}}
	v.header.Set("Sec-Fetch-Site", "cross-site")
	if answer, _ := v.ask("POST", "/incidents/"+id, ack); answer.StatusCode != http.StatusForbidden || len(o.marks) > 0 {
		t.Errorf("cross-site: %d", answer.StatusCode)
	}
	v.header.Del("Sec-Fetch-Site")
	answer, _ = v.ask("POST", "/incidents/"+id, ack)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/?note=acknowledged" || len(o.marks) != 1 || o.marks[0].By != "Ada" || o.marks[0].Do != rules.Acknowledge {
		t.Errorf("acknowledge: %d to %q, %+v", answer.StatusCode, answer.Header.Get("Location"), o.marks)
	}
	if text := log.String(); !strings.Contains(text, "what=acknowledge by=Ada id="+id) || strings.Contains(text, "adm1n") || strings.Contains(text, v.cookie.Value) {
		t.Errorf("log:\n%s", text)
	}

	if answer, _ := v.ask("POST", "/logout", nil); answer.Header.Get("Location") != "/login" || answer.Cookies[0].MaxAge >= 0 {
		t.Error("log-out does not end the cookie")
	}
	closed()
	answer, _ = v.ask("POST", "/login", url.Values{"token": {"old"}, "name": {"Ada"}, "next": {"/rules?x=1"}})
	if v.cookie = answer.Cookies[0]; answer.Header.Get("Location") != "/rules?x=1" {
		t.Errorf("back to %q", answer.Header.Get("Location"))
	}
	now = now.Add(13 * time.Hour)
	closed()
}

// TestConsoleLoginIsRateLimited: a guesser is told to wait, until time has passed. Who
// has the right token comes in meanwhile: a proxy may be before both.
func TestConsoleLoginIsRateLimited(t *testing.T) {
	a := newOffice(t).api()
	now := time.Now()
	v := &visitor{t: t, base: serve(t, handlers.Config{API: a, Access: admins("adm1n"), Now: func() time.Time { return now }})}
	try := func(token string) int {
		answer, _ := v.ask("POST", "/login", url.Values{"token": {token}, "name": {"Ada"}})
		return answer.StatusCode
	}
	for range 5 {
		if got := try("guess"); got != http.StatusUnauthorized {
			t.Fatalf("guess: %d", got)
		}
	}
	if got := try("guess"); got != http.StatusTooManyRequests {
		t.Errorf("after five guesses: %d", got)
	}
	if got := try("adm1n"); got != http.StatusSeeOther {
		t.Errorf("the right token beside them: %d", got)
	}
	now = now.Add(time.Minute)
	if got := try("guess"); got != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", got)
	}
}

// TestConsoleWithoutToken says what to set.
func TestConsoleWithoutToken(t *testing.T) {
	v := &visitor{t: t, base: serve(t, handlers.Config{API: newOffice(t).api()})}
	if _, body := v.ask("GET", "/login", nil); !strings.Contains(body, "CALLWATCH_ADMIN_TOKEN") {
		t.Errorf("%s", body)
	}
	if answer, _ := v.ask("POST", "/login", url.Values{"token": {""}, "name": {"x"}}); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("an empty token: %d", answer.StatusCode)
	}
}

// TestConsoleShowsHostileText: whatever a provider sends stays text, in pages,
// parts of pages and streams.
func TestConsoleShowsHostileText(t *testing.T) {
	o := newOffice(t)
	evil := `"><script>alert(1)</script><img src=x onerror=alert(2)>` + "\r\n\r\nevent: rows\rdata: \u2028{{.}}</textarea></title>"
	e := event(1, "telnyx", new(2.0), call.FromProvider)
	e.CallID, e.RawID, e.HangupCause, e.UserAgent, e.Tags, e.Status = evil, "raw/1", evil, evil, []string{evil}, call.Failed
	e.Intervals = []call.Interval{{Start: noon, End: noon.Add(time.Second), MOS: new(2.0)}}
	o.add(e)
	o.dead = append(o.dead, backend.DeadLetter{RawID: "raw/1", Provider: "telnyx", Kind: evil, Error: evil})
	id := o.engine.Incidents()[0].ID
	v := &visitor{t: t, base: serve(t, handlers.Config{Dev: true, API: o.api()})}
	path := "/calls/telnyx/" + url.PathEscape(evil)
	for _, p := range []string{
		"/", path, path + "/raw/" + url.PathEscape("raw/1"), "/incidents", "/incidents/" + id, "/rules", "/dead-letters", "/dead-letters/raw%2F1", "/silences?match=" + url.QueryEscape(evil), "/live?filter=" + url.QueryEscape(evil),
		"/live", "/calls", "/calls?q=" + url.QueryEscape(evil), "/calls?filter=" + url.QueryEscape(evil), "/calls?sort=" + url.QueryEscape(evil) + "&since=" + url.QueryEscape(evil), "/calls?col=callId&col=hangupCause", "/?by=codec", "/rules?whole=" + url.QueryEscape(evil), "/rules/low-mos",
	} {
		answer, body := v.ask("GET", p, nil)
		if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%.40s: %d", p, answer.StatusCode)
		}
		for _, bad := range []string{"<script>alert", "<img", "ZgotmplZ"} {
			if strings.Contains(body, bad) {
				t.Errorf("%.40s holds %s", p, bad)
			}
		}
	}
	for p, form := range map[string]url.Values{
		"/rules/try":      {"expr": {`hangupCause != "` + "x" + `"`}, "call": {"telnyx/" + evil}},
		"/rules/backtest": {"when": {`mos < 3`}, "name": {evil}, "where": {"\n  - evil: 'x'"}},
	} {
		if _, body := v.ask("POST", p, form); strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") {
			t.Errorf("%s: %s", p, body)
		}
	}

	// A line end in a provider's text begins no event of its own.
	answer, err := http.Get(v.base + "/stream/events?after=0") //nolint:noctx // the server ends with the test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for fields := ""; lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ":")
		if fields += field + ";"; field == "data" && strings.Contains(value, "</tr>") {
			if want := "retry;;id;event;"; !strings.HasPrefix(fields, want) || strings.Trim(strings.TrimPrefix(fields, want), "dat;") != "" {
				t.Errorf("stream has the fields %s", fields)
			}
			return
		}
		if strings.ContainsAny(lines.Text(), "\r") || strings.Contains(value, "<script") {
			t.Errorf("stream has the line %q", lines.Text())
		}
	}
	t.Errorf("the stream ended: %v", lines.Err())
}
