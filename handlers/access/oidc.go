package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"
)

const (
	loginCookie = "callwatch_login"
	loginTime   = 10 * time.Minute // at the provider

	maxLogins    = 1000
	providerTime = 10 * time.Second // for one request to the provider
	maxAnswer    = 1 << 20          // bytes of an answer of the provider
)

// OIDC logs people in at a provider of OpenID Connect: authorization code flow with
// PKCE, state and nonce.
type OIDC struct {
	Issuer, ClientID, ClientSecret string
	RedirectURL                    string   // of the route for the way back
	Scopes                         []string // beside openid
	NameClaim                      string   // ""; preferred_username, email or sub
	RolesClaim                     string   // a list of texts, or one; "a.b" is b within a

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was asked for the first time
	logins   map[string]login
}

// login is somebody who is at the provider.
type login struct {
	nonce, verifier, next string
	until                 time.Time
}

// errLogin is why somebody was not logged in, in words for them.
type errLogin string

func (e errLogin) Error() string { return string(e) }

// client asks the provider; its answers are bounded.
func (o *OIDC) client(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{Timeout: providerTime, Transport: boundedAnswers{http.DefaultTransport}})
}

// boundedAnswers cuts answers off that are too long.
type boundedAnswers struct{ http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	}
	return res, err
}

// discover asks the provider for its addresses, once.
func (o *OIDC) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		// The context has the client for later requests, too.
		p, err := oidc.NewProvider(o.client(context.WithoutCancel(ctx)), o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask the OIDC provider: %w", err)
		}
		o.provider = p
	}
	return o.provider, &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURL, Endpoint: o.provider.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...),
	}, nil
}

// begin returns the address at which the provider logs somebody in, and the state.
func (o *OIDC) begin(ctx context.Context, next string, now time.Time) (address, state string, err error) {
	_, config, err := o.discover(ctx)
	if err != nil {
		return "", "", err
	}
	state = rand.Text()
	l := login{nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), next: next, until: now.Add(loginTime)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.logins == nil || len(o.logins) >= maxLogins {
		kept := map[string]login{}
		for s, l := range o.logins {
			if now.Before(l.until) && len(kept) < maxLogins/2 {
				kept[s] = l
			}
		}
		o.logins = kept
	}
	o.logins[state] = l
	return config.AuthCodeURL(state, oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)), state, nil
}

// finish takes the code with which the provider sent somebody back.
func (o *OIDC) finish(ctx context.Context, state, code string, now time.Time) (name string, roles []string, next string, err error) {
	o.mu.Lock()
	l, ok := o.logins[state]
	delete(o.logins, state)
	o.mu.Unlock()
	if !ok || !now.Before(l.until) {
		return "", nil, "", errLogin("The log-in took too long. Begin again.")
	}
	provider, config, err := o.discover(ctx)
	if err != nil {
		return "", nil, "", err
	}
	ctx = o.client(ctx)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(l.verifier))
	if err != nil {
		return "", nil, "", fmt.Errorf("exchange the code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: o.ClientID, Now: func() time.Time { return now }}).Verify(ctx, raw)
	if err != nil {
		return "", nil, "", fmt.Errorf("check the id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.nonce)) != 1 {
		return "", nil, "", errors.New("check the id token: the nonce is another one")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return "", nil, "", fmt.Errorf("read the id token: %w", err)
	}
	if o.name(claims) == "" || claimed(claims, o.RolesClaim) == nil {
		o.addUserInfo(ctx, provider, token, id.Subject, claims)
	}
	name = cmp.Or(o.name(claims), id.Subject)
	if len(name) > maxName {
		return "", nil, "", errLogin("The name that the provider gives is too long.")
	}
	return name, texts(claimed(claims, o.RolesClaim)), l.next, nil
}

// addUserInfo adds the claims that the provider gives at its userinfo endpoint alone.
// Without an answer, those of the token have to do.
func (o *OIDC) addUserInfo(ctx context.Context, p *oidc.Provider, token *oauth2.Token, subject string, claims map[string]any) {
	if p.UserInfoEndpoint() == "" {
		return
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	more := map[string]any{}
	if err != nil || info.Subject != subject || info.Claims(&more) != nil {
		return
	}
	for name, value := range more {
		if _, known := claims[name]; !known {
			claims[name] = value
		}
	}
}

// name is how the claims name somebody.
func (o *OIDC) name(claims map[string]any) string {
	text := func(name string) string { s, _ := claimed(claims, name).(string); return strings.TrimSpace(s) }
	if o.NameClaim != "" {
		return text(o.NameClaim)
	}
	if name := text("preferred_username"); name != "" {
		return name
	}
	if verified, ok := claims["email_verified"].(bool); ok && verified {
		return text("email")
	}
	return ""
}

// claimed is the claim of a name, or of a path with dots.
func claimed(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	first, rest, nested := strings.Cut(path, ".")
	if inner, ok := claims[first].(map[string]any); ok && nested {
		return claimed(inner, rest)
	}
	return nil
}

// texts are those of a claim: a text, or a list of them.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// BeginOIDC sends a browser to the provider.
func (g *Gate) BeginOIDC(c echo.Context, next string) error {
	address, state, err := g.OIDC.begin(c.Request().Context(), next, g.Now())
	if err != nil {
		return g.failedOIDC(c, err)
	}
	g.setCookie(c, loginCookie, state, int(loginTime.Seconds()))
	return c.Redirect(http.StatusSeeOther, address)
}

// FinishOIDC logs a browser in that comes back from the provider, and returns where
// it wanted to go.
func (g *Gate) FinishOIDC(c echo.Context) (next string, err error) {
	query := c.QueryParams()
	if reason := query.Get("error"); reason != "" {
		g.Log.Warn("log-in refused by the OIDC provider", "error", reason, "description", query.Get("error_description"), "remote", c.RealIP())
		return "", &Refusal{http.StatusForbidden, "Not logged in", "The OIDC provider refused the log-in."}
	}
	// Only the browser that began may finish.
	state := query.Get("state")
	cookie, err := c.Cookie(loginCookie)
	if err != nil || state == "" || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(state)) != 1 {
		return "", &Refusal{http.StatusBadRequest, "Not logged in", "This browser did not begin the log-in, or it took too long. Begin again."}
	}
	g.setCookie(c, loginCookie, "", -1)
	name, groups, next, err := g.OIDC.finish(c.Request().Context(), state, query.Get("code"), g.Now())
	if err != nil {
		return "", g.failedOIDC(c, err)
	}
	u := User{name, g.Roles.Role(name, groups)}
	if u.Role == Nobody {
		g.Log.Warn("logged in at the OIDC provider, but without a role", "by", name, "groups", strings.Join(groups[:min(len(groups), 20)], " "), "remote", c.RealIP())
		return "", &Refusal{http.StatusForbidden, "No role", name + " is known, but has no role here. An administrator can give one under roles in callwatch.yaml."}
	}
	g.LogIn(c, u)
	return next, nil
}

// failedOIDC logs why a log-in failed; the browser is told no more than it needs.
func (g *Gate) failedOIDC(c echo.Context, err error) error {
	g.Log.Warn("log-in by OpenID Connect failed", "err", err, "remote", c.RealIP())
	var why errLogin
	if errors.As(err, &why) {
		return &Refusal{http.StatusBadRequest, "Not logged in", why.Error()}
	}
	return &Refusal{http.StatusBadGateway, "Not logged in", "The log-in at the OIDC provider failed. The log has the cause."}
}
