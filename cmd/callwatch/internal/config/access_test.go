package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/handlers/access"
	"callwatch/normalizer/registry"
)

// TestTokensThatAnybodyCanGuess are refused at the start, those of shipped examples, too.
func TestTokensThatAnybodyCanGuess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setting, value, says string }{
		"short":                     {"ADMIN_TOKEN", "sevench", "at least 8 are needed"},
		"of the manifest":           {"ADMIN_TOKEN", "replace-me", "is that of an example"},
		"of the manifest, longer":   {"ADMIN_TOKEN", "Replace-Me-please", "is that of an example"},
		"of the example":            {"ADMIN_TOKEN", "a-long-random-text", "is that of an example"},
		"the second of a list":      {"ADMIN_TOKEN", "9b1c33b1ac4f0d5e,short", "at least 8 are needed"},
		"of the Slack example":      {"SLACK_TOKEN", "xoxb-replace-me", "is that of an example"},
		"a webhook's":               {"BUTTER_URL_TOKEN", "replace-me", "BUTTER_URL_TOKEN: this secret is that of an example"},
		"named, short":              {"TOKENS", "anna:admin:short", "tokens.anna: the token has 5 characters"},
		"named, of two":             {"TOKENS", "anna:admin:9b1c33b1ac4f0d5e,bea:viewer:9b1c33b1ac4f0d5e", "tokens.bea: it is the same token as that of anna"},
		"long enough":               {"ADMIN_TOKEN", "twelve-chars", ""},
		"named, long enough":        {"TOKENS", "anna:admin:9b1c33b1ac4f0d5e", ""},
		"a short one of a provider": {"BUTTER_URL_TOKEN", "t0ken", ""},
	} {
		cfg, err := Read("", []string{Prefix + c.setting + "=" + c.value, Prefix + "SLACK_CHANNEL=#x"}, registry.Providers())
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err = cfg.CheckServing()
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %s", name, err, c.says)
		case err != nil && strings.Contains(err.Error(), c.value):
			t.Errorf("%s shows the token: %v", name, err)
		}
	}
}

// TestAccess: tokens of the file, of files, and of the environment open with their role;
// what cannot work is refused.
func TestAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "bea"), filepath.Join(dir, "callwatch.yaml")
	yaml := "tokens:\n  anna: {role: operator, token: anna-token-0123}\n  bea: {role: viewer, token_file: " + secret + "}\ntrusted_proxies: [10.0.0.0/8, \"::1\"]\n"
	for name, text := range map[string]string{secret: "bea-token-01234\n", file: yaml} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{"CALLWATCH_TOKENS=carl:admin:carl:token-0123\ndora:viewer:dora-token-0123", "CALLWATCH_ADMIN_TOKEN=old-admin-token,new-admin-token"}
	c, err := Read(file, environ, registry.Providers())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	gate := access.Gate{Config: c.Access()}
	for token, want := range map[string]access.User{
		"anna-token-0123": {Name: "anna", Role: access.Operator}, "bea-token-01234": {Name: "bea", Role: access.Viewer},
		"carl:token-0123": {Name: "carl", Role: access.Admin}, "dora-token-0123": {Name: "dora", Role: access.Viewer},
		"old-admin-token": {Role: access.Admin}, "new-admin-token": {Role: access.Admin}, "": {}, "anna": {},
	} {
		if got, ok := gate.Token(token); got != want || ok != (want.Role > access.Nobody) {
			t.Errorf("%q opens for %+v, %v", token, got, ok)
		}
	}
	if len(c.Access().Proxies) != 2 {
		t.Errorf("proxies %v", c.Access().Proxies)
	}
	if got := c.ClientToken(); got != "old-admin-token" {
		t.Errorf("commands show %q", got.Reveal())
	}
	for setting, says := range map[string]string{
		"TOKENS=anna":                           "not NAME:ROLE:TOKEN",
		"TOKENS=anna:boss:9b1c33b1ac4f0d5e":     "none of viewer, operator, admin",
		"TOKENS=:admin:9b1c33b1ac4f0d5e":        "empty or too long",
		"TRUSTED_PROXIES=10.0.0.0/8,proxy":      `"proxy" is not a network`,
		"PROXY_USER_HEADER=X-User":              "set CALLWATCH_TRUSTED_PROXIES",
		"PROXY_GROUPS_HEADER=X-Groups":          "not read without",
		"OIDC_ISSUER=https://login.example.com": "CALLWATCH_OIDC_CLIENT_ID: missing",
		"OIDC_ISSUER=login":                     "not a web address",
		"TLS_CERT=/etc/cert.pem":                "belong together",
	} {
		c, err := Read("", []string{Prefix + setting}, registry.Providers())
		if err == nil {
			err = c.Check()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", setting, err, says)
		}
	}
}
