package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer"
)

func readAccounts(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(file, environ, allProviders())
	if err == nil {
		err = c.Check()
	}
	return c, err
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	c, err := readAccounts(t, `
providers:
  atoms:
    signing_secret: own-secret-1
    accounts:
      sales: {signing_secret: sales-secret, api_key: sales-key}
      support-eu:
        signing_secret: support-1, support-2
  butter:
    accounts: {main: }
`, "CALLWATCH_ATOMS__SUPPORT_EU__API_KEY=from-environment", "CALLWATCH_BUTTER__MAIN__URL_TOKEN=token-of-main", "CALLWATCH_ATOMS__OTHER__API_KEY=of nobody")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, of := range c.Sources() {
		if keys := c.KeysOf(of); len(keys) > 0 {
			got = append(got, of.Name()+" "+of.Webhook()+" "+strings.Join(slices.Concat(keys["SIGNING_SECRET"], keys["API_KEY"], keys[normalizer.URLToken]), " "))
		}
	}
	want := []string{
		"atoms /webhooks/atoms own-secret-1",
		"atoms@sales /webhooks/atoms/sales sales-secret sales-key",
		"atoms@support-eu /webhooks/atoms/support-eu support-1 support-2 from-environment",
		"butter@main /webhooks/butter/main token-of-main",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	known := c.Variables(func(string) []normalizer.Setting { return nil })
	if !known["CALLWATCH_ATOMS__SUPPORT_EU__API_KEY"] || known["CALLWATCH_ATOMS__OTHER__API_KEY"] {
		t.Error("the variables of the accounts that are there are known, and no others")
	}
}

// What could not be told apart, or would be another thing elsewhere, is refused where it
// is written.
func TestAccountsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"upper case":        {"Sales: {}", "no name of an account"},
		"path":              {"../etc: {}", "no name of an account"},
		"slash":             {"a/b: {}", "no name of an account"},
		"source sign":       {"a@b: {}", "no name of an account"},
		"empty":             {`"": {}`, "no name of an account"},
		"two hyphens":       {"a--b: {}", "no name of an account"},
		"newline":           {`"a\nb": {}`, "no name of an account"},
		"not ASCII":         {"größe: {}", "no name of an account"},
		"long":              {strings.Repeat("a", 33) + ": {}", "no name of an account"},
		"unknown setting":   {"sales: {api_kee: x}", `atoms has no setting "api_kee"`},
		"shared secret":     {"sales: {signing_secret: own-secret-1}", "it is that of atoms, too"},
		"shared by two":     {"a: {signing_secret: same-secret}\n      b: {signing_secret: 'other-one, same-secret'}", "it is that of atoms@a, too"},
		"token like a name": {"sales: {url_token: sales}", "the token begins with the name of an account"},
		"no mapping":        {"- sales", "callwatch.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAccounts(t, "providers:\n  atoms:\n    signing_secret: own-secret-1\n    accounts:\n      "+test.text+"\n")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Declared providers have accounts as the others do: one that is declared in
// callwatch.yaml beside them, and one that comes with callwatch.
func TestAccountsOfDeclaredProviders(t *testing.T) {
	t.Parallel()
	c, err := readAccounts(t, `
providers:
  acme:
    verify: [{token: {secret: API_SECRET}}]
    events: [{kind: ended, set: {callId: body.id}}]
    api_secret: own-secret-1
    accounts:
      sales: {api_secret: secret-of-sales}
  vapi:
    accounts:
      sales: {}
`, "CALLWATCH_VAPI__SALES__BEARER_TOKEN=bearer-of-sales", "CALLWATCH_ACME__SALES__URL_TOKEN=token-of-sales")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, of := range c.Sources() {
		for setting, values := range c.KeysOf(of) {
			got[of.Name()+" "+setting] = strings.Join(values, " ")
		}
	}
	want := map[string]string{
		"acme API_SECRET": "own-secret-1", "acme@sales API_SECRET": "secret-of-sales", "acme@sales URL_TOKEN": "token-of-sales", "vapi@sales BEARER_TOKEN": "bearer-of-sales",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if _, err := readAccounts(t, `
providers:
  acme: {verify: none, events: [{kind: ended, set: {callId: body.id}}], accounts: {sales: {api_kee: x}}}
`); err == nil || !strings.Contains(err.Error(), `acme has no setting "api_kee"`) {
		t.Errorf("an unknown setting of an account: %v", err)
	}
}
