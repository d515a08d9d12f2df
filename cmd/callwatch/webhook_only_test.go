package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/casefile"
	"callwatch/normalizer/lenient"
	"callwatch/normalizer/providertest"
)

// acme is the least that a provider can be: a webhook. It has no signature, REST,
// simulator, fake API or table of fields.
func acme() normalizer.Provider {
	return normalizer.Provider{
		Name:      "acme",
		Title:     "Acme Voice",
		Supplies:  []string{"status", "from", "to", "durationSec", "endedAt", "startedAt", "mos", "mosProvider", "mosSource"},
		Normalize: normalizeAcme,
		Unsigned:  true,
	}
}

func normalizeAcme(b *normalizer.Body) ([]call.Event, error) {
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	var e call.Event
	switch e.CallID = n.At("call").Text(); n.At("event").Text() {
	case "heartbeat":
		return nil, nil
	case "started":
		e.Kind, e.StartedAt = call.Progress, n.At("at").Time()
	case "ended":
		e.Kind, e.EndedAt, e.Final = call.Ended, n.At("at").Time(), true
		e.Status = lenient.FoldWord(n.At("outcome").Text())
	default:
		return nil, normalizer.UnknownBody(n, "the events of Acme")
	}
	if e.CallID == "" {
		return nil, errors.New("a webhook without a call")
	}
	e.From, e.To = n.At("from").Text(), n.At("to").Text()
	e.DurationSec = n.At("seconds").Amount()
	normalizer.AcceptMOS(&e, n.At("mos").Number())
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}, nil
}

// A provider that is a webhook alone passes the suite of all providers.
func TestWebhookOnlyProvider(t *testing.T) { providertest.Run(t, acme(), "testdata/acme") }

// With its line in the registry it is served: verified, stored, normalized, judged, listed.
func TestWebhookOnlyProviderIsServed(t *testing.T) {
	t.Parallel()
	rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rulesFile, []byte(failedRule), 0o600); err != nil {
		t.Fatal(err)
	}
	a, base := running(t, func(c *config.Config) {
		c.Registry = c.Registry.With(acme())
		c.SetProvider("acme", normalizer.URLToken, butterToken)
		c.Rules = rulesFile
	})
	post := func(path, file string) int {
		t.Helper()
		body, err := os.ReadFile(filepath.Join("testdata/acme/bodies", file))
		if err != nil {
			t.Fatal(err)
		}
		res, _ := requestOf(t, base, casefile.Request{
			Method: http.MethodPost, Path: path, Body: string(body), Headers: withType(nil, "application/json"),
		})
		return res.StatusCode
	}
	for _, name := range []string{"ended-failed.json", "ended-completed.json", "heartbeat-ignored.json", "nameless-bad.json"} {
		if status := post("/webhooks/acme/"+butterToken, name); status != http.StatusOK {
			t.Errorf("%s is answered with %d", name, status)
		}
	}
	if status := post("/webhooks/acme/wrong", "ended-failed.json"); status != http.StatusUnauthorized {
		t.Errorf("a wrong token is answered with %d", status)
	}
	idle(t, base)
	if found := listed(t, base); len(found) != 1 {
		t.Errorf("incidents %+v, want one", found)
	}
	if dead := metric(t, base, `callwatch_dead_letters_total{provider="acme"}`); dead != "1" {
		t.Errorf("%s dead letters, want 1", dead)
	}
	for _, s := range a.status(t.Context()).Providers {
		if s.Name == "acme" && s.Title == "Acme Voice" && s.Verifies && !s.Fetches {
			return
		}
	}
	t.Error("the status does not list the provider")
}
