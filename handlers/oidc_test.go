package handlers_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"callwatch/handlers/access"
)

// groupStore gives users groups, as claims of the userinfo endpoint.
type groupStore struct {
	*storage.Storage
	groups map[string]any // by user id
}

func (s groupStore) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	if g, ok := s.groups[subject]; ok {
		info.AppendClaims("groups", g)
	}
	return err
}

// oidcProvider is a provider of OpenID Connect by zitadel's library, with the users of
// its example: test-user@127.0.0.1 (id1) and test-user2 (id2).
func oidcProvider(t *testing.T, groups map[string]any, redirect string) (issuer string) {
	t.Helper()
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the example logs each request there
	clients := map[string]*storage.Client{"callwatch": storage.WebClient("callwatch", "client-secret", redirect)}
	users := storage.NewStorageWithClients(storage.NewUserStore(srv.URL), clients)
	handler = exampleop.SetupServer(srv.URL, groupStore{users, groups}, slog.New(slog.DiscardHandler), false)
	return srv.URL
}

// guest is a browser that follows redirects and keeps cookies.
type guest struct {
	t *testing.T
	http.Client
	seen []string // addresses that it was sent to
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	b := &guest{t: t}
	b.Jar, _ = cookiejar.New(nil)
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		b.seen = append(b.seen, r.URL.String())
		return nil
	}
	return b
}

// arrival is where a browser ended, and with what status.
type arrival struct {
	StatusCode int
	URL        *url.URL
}

func (b *guest) read(res *http.Response, err error) (arrival, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer closing(res.Body)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return arrival{res.StatusCode, res.Request.URL}, string(body)
}

var authRequest = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logIn begins at a page and types name and password at the provider.
func (b *guest) logIn(page, user string) (arrival, string) {
	b.t.Helper()
	res, body := b.read(b.Get(page)) //nolint:noctx // the server ends with the test
	id := authRequest.FindStringSubmatch(body)
	if id == nil {
		b.t.Fatalf("no log-in page at %s:\n%s", res.URL, body)
	}
	return b.read(b.PostForm(res.URL.String(), url.Values{"username": {user}, "password": {"verysecure"}, "id": {id[1]}})) //nolint:noctx // as above
}

// TestOIDC logs people in at a real provider: the role is that of their groups, the name
// is shown with what they do.
func TestOIDC(t *testing.T) {
	var config *access.OIDC
	start := func(groups map[string]any, roles access.Mapping) string {
		c := team(newOffice(t))
		c.Access.Roles = roles
		config = &access.OIDC{ClientID: "callwatch", ClientSecret: "client-secret", Scopes: []string{"profile", "email"}, RolesClaim: "groups"}
		c.Access.OIDC = config
		base := serve(t, c)
		config.RedirectURL = base + "/login/oidc/callback"
		config.Issuer = oidcProvider(t, groups, config.RedirectURL)
		return base
	}
	base := start(map[string]any{"id1": []string{"staff", "voice"}, "id2": "guests"}, access.Mapping{Operator: []string{"voice"}, Admin: []string{"platform"}})

	b := newGuest(t)
	if _, body := b.read(b.Get(base + "/login")); !strings.Contains(body, `href="/login/oidc?next=`) { //nolint:noctx // the server ends with the test
		t.Errorf("the log-in page does not offer the provider:\n%s", body)
	}
	res, body := b.logIn(base+"/login/oidc?next="+url.QueryEscape("/rules?x=1"), "test-user@127.0.0.1")
	if res.StatusCode != http.StatusOK || res.URL.RequestURI() != "/rules?x=1" || !strings.Contains(body, "test-user@127.0.0.1") || !strings.Contains(body, "Try an expression") {
		t.Fatalf("after the log-in: %d %s\n%.600s", res.StatusCode, res.URL, body)
	}
	first := ""
	for _, address := range b.seen {
		if strings.Contains(address, "code_challenge=") {
			first = address
		}
	}
	for _, want := range []string{"code_challenge_method=S256", "nonce=", "state=", "response_type=code", "scope=openid+profile+email"} {
		if !strings.Contains(first, want) {
			t.Errorf("the provider was called without %s: %s", want, first)
		}
	}
	// A session of an operator does not read what is for admins, and ends.
	if status := statusOf(t, "POST", base+"/silences/preview", func(r *http.Request) { r.AddCookie(sessionOf(t, b, base)) }); status != http.StatusOK {
		t.Errorf("an operator is refused: %d", status)
	}
	cookie := sessionOf(t, b, base)
	_, _ = b.read(b.PostForm(base+"/logout", nil)) //nolint:noctx // as above
	if status := statusOf(t, "GET", base+"/status", func(r *http.Request) { r.AddCookie(cookie) }); status != http.StatusSeeOther {
		t.Errorf("after the log-out: %d", status)
	}

	if res, body := newGuest(t).logIn(base+"/login/oidc", "test-user2"); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "has no role here") {
		t.Errorf("a user without a role: %d\n%s", res.StatusCode, body)
	}

	// What another browser began, what was used, and what never began is refused.
	b = newGuest(t)
	b.logIn(base+"/login/oidc", "test-user@127.0.0.1")
	var callback string
	for _, address := range b.seen {
		if strings.Contains(address, "/login/oidc/callback?") {
			callback = address
		}
	}
	for name, other := range map[string]*guest{"the same browser again": b, "another browser": newGuest(t)} {
		if res, _ := other.read(other.Get(callback)); res.StatusCode != http.StatusBadRequest { //nolint:noctx // as above
			t.Errorf("%s finishes a log-in: %d", name, res.StatusCode)
		}
	}
	if res, _ := b.read(b.Get(base + "/login/oidc/callback?state=x&code=y")); res.StatusCode != http.StatusBadRequest { //nolint:noctx // as above
		t.Errorf("a log-in that never began: %d", res.StatusCode)
	}
	if res, _ := b.read(b.Get(base + "/login/oidc/callback?error=access_denied")); res.StatusCode != http.StatusForbidden { //nolint:noctx // as above
		t.Errorf("the provider refuses: %d", res.StatusCode)
	}

	// A role by name, and everybody a viewer.
	base = start(nil, access.Mapping{Viewer: []string{"*"}, Admin: []string{"user:test-user2"}})
	if _, body := newGuest(t).logIn(base+"/login/oidc?next=/rules", "test-user@127.0.0.1"); strings.Contains(body, "Try an expression") || !strings.Contains(body, "<h1>Rules") {
		t.Errorf("a viewer: %.300s", body)
	}
	if _, body := newGuest(t).logIn(base+"/login/oidc?next=/rules", "test-user2"); !strings.Contains(body, "Try an expression") {
		t.Errorf("an admin by name: %.300s", body)
	}
	// A secret that is wrong is our fault: the browser is told so.
	config.ClientSecret = "wrong"
	if res, _ := newGuest(t).logIn(base+"/login/oidc", "test-user2"); res.StatusCode != http.StatusBadGateway {
		t.Errorf("a wrong client secret: %d", res.StatusCode)
	}
}

// TestOIDCProviderAway: callwatch starts without its provider, and says why a log-in
// fails.
func TestOIDCProviderAway(t *testing.T) {
	c := team(newOffice(t))
	c.Access.OIDC = &access.OIDC{Issuer: "http://127.0.0.1:1", ClientID: "callwatch", RedirectURL: "http://x.example/login/oidc/callback"}
	if a := send(t, "GET", serve(t, c)+"/login/oidc", "", nil); a.status != http.StatusBadGateway {
		t.Errorf("log-in: %d", a.status)
	}
}

func sessionOf(t *testing.T, b *guest, base string) *http.Cookie {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "callwatch_session" {
			return c
		}
	}
	t.Fatal("no session")
	return nil
}
