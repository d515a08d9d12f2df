package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"callwatch/handlers/access"
)

// AccessToken is a bearer token of somebody.
type AccessToken struct {
	Role  string `yaml:"role" enum:"viewer,operator,admin" doc:"what it opens: viewer, operator or admin"`
	Token Secret `yaml:"token" doc:"the token, 8 characters at least; a list during rotation"`
	File  string `yaml:"token_file" doc:"a file with the token, instead of token"`
}

// ProxyAuth is log-in by a trusted proxy.
type ProxyAuth struct {
	UserHeader   string `env:"USER_HEADER" yaml:"user_header" doc:"the header in which a trusted proxy names the user whom it logged in, such as X-Forwarded-User; the proxy must remove it from requests of others"`
	GroupsHeader string `env:"GROUPS_HEADER" yaml:"groups_header" doc:"the header with the user's groups, separated by commas, such as X-Forwarded-Groups"`
}

// OIDC is log-in by OpenID Connect.
type OIDC struct {
	Issuer       string `env:"ISSUER" yaml:"issuer" doc:"address of the provider, under which it has /.well-known/openid-configuration"`
	ClientID     string `env:"CLIENT_ID" yaml:"client_id" doc:"our id at the provider"`
	ClientSecret Secret `env:"CLIENT_SECRET" yaml:"client_secret" doc:"our secret at the provider"`
	Scopes       string `env:"SCOPES" yaml:"scopes" doc:"what is asked for beside openid, separated by spaces"`
	NameClaim    string `env:"NAME_CLAIM" yaml:"name_claim" doc:"claim with the name of the user; preferred_username, else the verified email, else sub, where it is empty"`
	RolesClaim   string `env:"ROLES_CLAIM" yaml:"roles_claim" doc:"claim with the groups that roles lists; a.b is b within a"`
}

// Roles are the groups that have a role, and the users, as user:NAME.
type Roles struct {
	Viewer   []string `env:"VIEWER" yaml:"viewer" doc:"who may read"`
	Operator []string `env:"OPERATOR" yaml:"operator" doc:"who may acknowledge, silence, resolve, try rules and replay dead letters, too"`
	Admin    []string `env:"ADMIN" yaml:"admin" doc:"who may reload rules, import, erase, prune and back up, too"`
}

// TLS is https on the listener.
type TLS struct {
	Cert string `env:"CERT" yaml:"cert" doc:"file of the certificate chain; it is read again when it changes"`
	Key  string `env:"KEY" yaml:"key" doc:"file of its key"`
}

// minToken is the least length of a token, in bytes.
const minToken = 8

// sampleTokens are in manifests, documents and examples, where everybody can read them.
var sampleTokens = []string{"replace-me", "replaceme", "change-me", "changeme", "a-long-random-text", "your-token", "xxxxxxxx", "..."}

// isSample says whether a secret is one of an example.
func isSample(s string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(sampleTokens, func(sample string) bool { return strings.Contains(s, sample) })
}

// CheckServing refuses what a server cannot be started with: tokens that anybody can
// guess, and ways to log in that cannot work.
func (c *Config) CheckServing() error { return c.ServingFaults().orNil() }

// ServingFaults are what a server cannot be started with.
func (c *Config) ServingFaults() Faults {
	var all Faults
	const advice = "generate one, for instance by openssl rand -hex 24"
	check := func(path, token string) {
		switch {
		case isSample(token):
			all = append(all, c.fault(path, "this token is that of an example, which everybody can read", advice))
		case len(token) < minToken:
			all = append(all, c.fault(path, fmt.Sprintf("the token has %d characters, at least %d are needed", len(token), minToken), advice))
		}
	}
	for _, token := range c.AdminToken.List() {
		check("admin_token", token)
	}
	tokens, _ := c.namedTokens() // Check said what is wrong with others
	seen := map[string]string{}
	for _, t := range tokens {
		check("tokens."+t.name, t.secret)
		if other, ok := seen[t.secret]; ok && other != t.name {
			all = append(all, c.fault("tokens."+t.name, "it is the same token as that of "+other, ""))
		}
		seen[t.secret] = t.name
	}
	const sample = "this secret is that of an example, which everybody can read"
	for _, of := range c.Sources() {
		for setting, values := range c.KeysOf(of) {
			if slices.ContainsFunc(values, isSample) {
				all = append(all, c.sourceFault(of, setting, sample))
			}
		}
	}
	secrets := map[string]Secret{"oidc.client_secret": c.OIDC.ClientSecret, "slack.token": c.Slack.Token, "slack.signing_secret": c.Slack.SigningSecret}
	for name, w := range c.Slack.Workspaces {
		at := "slack.workspaces." + name
		secrets[at+".token"], secrets[at+".signing_secret"] = w.Token, w.SigningSecret
	}
	for path, s := range secrets {
		if isSample(s.Reveal()) {
			all = append(all, c.fault(path, sample, ""))
		}
	}
	return all.sorted()
}

// checkAccess finds settings of access whose value can never work.
func (c *Config) checkAccess() Faults {
	var all Faults
	if _, err := c.proxies(); err != nil {
		all = append(all, c.fault("trusted_proxies", err.Error(), ""))
	}
	if c.OIDC.Issuer != "" && !IsAddress(c.OIDC.Issuer) {
		all = append(all, c.fault("oidc.issuer", fmt.Sprintf("%q is not a web address", c.OIDC.Issuer), ""))
	}
	_, wrong := c.namedTokens()
	return append(all, wrong...)
}

// checkAccessTogether finds settings of access that do not work without each other.
func (c *Config) checkAccessTogether() Faults {
	var all Faults
	add := func(path, text string) { all = append(all, c.fault(path, text, "")) }
	if c.Proxy.UserHeader != "" && len(c.TrustedProxies) == 0 {
		add("proxy.user_header", "nobody's header is believed: set CALLWATCH_TRUSTED_PROXIES to the proxy's network")
	}
	if c.Proxy.GroupsHeader != "" && c.Proxy.UserHeader == "" {
		add("proxy.groups_header", "it is not read without CALLWATCH_PROXY_USER_HEADER")
	}
	if c.OIDC.Issuer != "" {
		if c.OIDC.ClientID == "" {
			add("oidc.client_id", "missing: CALLWATCH_OIDC_ISSUER is set")
		}
		if cmp.Or(c.ConsoleURL, c.PublicURL) == "" {
			add("oidc.issuer", "the provider must know where to send browsers back to: set CALLWATCH_CONSOLE_URL")
		}
	}
	if (c.OIDC.Issuer != "" || c.Proxy.UserHeader != "") && len(c.Roles.Viewer)+len(c.Roles.Operator)+len(c.Roles.Admin) == 0 {
		add("roles.viewer", "nobody who logs in would have a role: set CALLWATCH_ROLES_VIEWER, _OPERATOR and _ADMIN to groups or users")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		add("tls.cert", "certificate and CALLWATCH_TLS_KEY belong together: one is missing")
	}
	return all
}

// namedToken is a token of somebody.
type namedToken struct {
	name, secret string
	role         access.Role
}

// namedTokens are those of callwatch.yaml and of the environment that can be used, and
// what is wrong with the others.
func (c *Config) namedTokens() (tokens []namedToken, wrong Faults) {
	add := func(name, role string, secret Secret) {
		at := "tokens." + name
		refuse := func(text string) { wrong = append(wrong, c.fault(at, text, "")) }
		if name = strings.TrimSpace(name); name == "" || len(name) > 100 {
			refuse(fmt.Sprintf("the name %.20q is empty or too long", name))
			return
		}
		r, err := access.ParseRole(strings.TrimSpace(role))
		if err != nil {
			refuse("the role " + err.Error())
			return
		}
		list := secret.List()
		if len(list) == 0 {
			refuse("has no token")
		}
		for _, s := range list {
			tokens = append(tokens, namedToken{name, s, r})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Tokens)) {
		t, at := c.Tokens[name], "tokens."+name
		if (t.Token == "") == (t.File == "") {
			wrong = append(wrong, c.fault(at, "needs either token or token_file", ""))
			continue
		}
		if t.File != "" {
			b, err := os.ReadFile(t.File)
			if err != nil {
				wrong = append(wrong, c.fault(at, err.Error(), ""))
				continue
			}
			t.Token = Secret(strings.TrimSpace(string(b)))
		}
		add(name, t.Role, t.Token)
	}
	for i, entry := range Secret(strings.ReplaceAll(c.TokenList.Reveal(), "\n", ",")).List() {
		part := strings.SplitN(entry, ":", 3)
		if len(part) < 3 {
			wrong = append(wrong, c.fault("token_list", fmt.Sprintf("entry %d is not NAME:ROLE:TOKEN", i+1), ""))
			continue
		}
		add(part[0], part[1], Secret(part[2]))
	}
	return tokens, wrong
}

// proxies are the networks of trusted proxies.
func (c *Config) proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, s := range c.TrustedProxies {
		s = strings.TrimSpace(s)
		p, err := netip.ParsePrefix(s)
		if ip, plain := netip.ParseAddr(s); plain == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%.40q is not a network such as 10.0.0.0/8", s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// Access says who may come in. The configuration was checked.
func (c *Config) Access() access.Config {
	a := access.Config{
		UserHeader: c.Proxy.UserHeader, GroupsHeader: c.Proxy.GroupsHeader,
		Roles: access.Mapping{Viewer: trimmed(c.Roles.Viewer), Operator: trimmed(c.Roles.Operator), Admin: trimmed(c.Roles.Admin)},
	}
	a.Proxies, _ = c.proxies()
	for _, token := range c.AdminToken.List() {
		a.Tokens = append(a.Tokens, access.AdminToken(token))
	}
	named, _ := c.namedTokens()
	for _, t := range named {
		a.Tokens = append(a.Tokens, access.NewToken(access.User{Name: t.name, Role: t.role}, t.secret))
	}
	if o := c.OIDC; o.Issuer != "" {
		a.OIDC = &access.OIDC{
			Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), Scopes: strings.Fields(o.Scopes),
			RedirectURL: strings.TrimRight(cmp.Or(c.ConsoleURL, c.PublicURL), "/") + "/login/oidc/callback",
			NameClaim:   o.NameClaim, RolesClaim: o.RolesClaim,
		}
	}
	return a
}

func trimmed(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// ClientToken is what commands show to a running callwatch; "" for none.
func (c *Config) ClientToken() Secret {
	for _, s := range []Secret{c.Token, c.AdminToken} {
		if list := s.List(); len(list) > 0 {
			return Secret(list[0])
		}
	}
	return ""
}
