package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/registry"
)

// TestDoctorSendsATestWebhook: of each provider a signed webhook goes the whole way, and
// nothing of it is kept, alerted or counted.
func TestDoctorSendsATestWebhook(t *testing.T) {
	secrets, err := registry.Simulators().Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, base := running(t, func(c *config.Config) {
		c.Rules = writeRules(t, "rules:\n  - {name: any-call, when: durationSec < 90000, severity: critical}\n")
		c.Providers = map[string]map[string]config.Secret{}
		for provider, keys := range secrets.Receive {
			for setting, values := range keys {
				c.SetProvider(provider, setting, config.Secret(values[0]))
			}
		}
		c.PublicURL = "https://hooks.example.com/voice"
	})
	environ := []string{"USER=ada", "CALLWATCH_DATA_DIR=" + t.TempDir(), "CALLWATCH_PUBLIC_URL=https://hooks.example.com/voice"}
	var args []string
	for _, p := range registry.Providers() {
		args = append(args, "--test-webhook", p.Name)
		for setting, values := range secrets.Send[p.Name] {
			environ = append(environ, p.EnvName(setting)+"="+values[0])
		}
	}
	doctor := func(token string) string {
		var out, errs bytes.Buffer
		run(t.Context(), append([]string{"doctor", "--url", base}, args...), append(environ, "CALLWATCH_TOKEN="+token), nil, &out, &errs)
		return out.String() + errs.String()
	}
	counters := func() string {
		res, err := http.Get(base + "/metrics") //nolint:noctx // the server ends with the test
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return strings.Join(regexp.MustCompile(`(?m)^callwatch_(webhooks|events|transitions|dead)[a-z_]*total.*$`).FindAllString(string(b), -1), "\n")
	}
	before := counters()
	said := doctor(adminToken)
	for _, p := range registry.Providers() {
		if !regexp.MustCompile(`(?m)^ok +` + p.Name + ` test +a signed webhook of ` + p.Name + ` was verified and normalized, events: [1-9]`).MatchString(said) {
			t.Errorf("the test of %s:\n%s", p.Name, said)
		}
	}
	if said := doctor("a-wrong-token"); !strings.Contains(said, "is answered 401") {
		t.Errorf("with a wrong token:\n%s", said)
	}
	for _, s := range a.status(t.Context()).Streams {
		if strings.Contains(strings.ToLower(s.Name), "raw") && s.Messages > 0 {
			t.Errorf("%s holds %d messages", s.Name, s.Messages)
		}
	}
	if ends, err := a.store.Ends(t.Context()); err != nil || ends.LastTransition > 0 {
		t.Errorf("stored: %+v, %v", ends, err)
	}
	if after := counters(); after == "" || countersBut(after, "bad_signature") != countersBut(before, "bad_signature") {
		t.Errorf("counters have changed:\n%s\nbefore:\n%s", after, before)
	}
}

// countersBut leaves out the lines that hold a text.
func countersBut(text, without string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, without) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
