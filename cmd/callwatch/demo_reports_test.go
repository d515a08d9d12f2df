package main

import (
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
)

// The demo believes its senders by what they signed, and each fake API lets in a client
// that has the demo's settings.
func TestDemoVerifiesTheWebhooksOfAllProviders(t *testing.T) {
	t.Parallel()
	simulators := knownSimulators()
	secrets, err := simulatecmd.RandomSecrets(simulators)
	if err != nil {
		t.Fatal(err)
	}
	cfg := demoConfig(knownProviders(), t.TempDir(), "127.0.0.1:0", secrets)
	apis, err := useFakeAPIs(&cfg, registry.All())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeAll(apis) })
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	traffic, err := simulate.Traffic(simulate.Options{Sources: simulators, Secrets: secrets, Seed: 1, Count: 300, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	verified := map[string]int{}
	for r := range traffic {
		p, _ := cfg.Registry.Find(r.Provider)
		now := start.Add(r.At)
		req, err := r.Sign(t.Context(), simulate.Target{URL: "https://x.example"}, now)
		if err != nil {
			t.Fatal(err)
		}
		token := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/webhooks/"+r.Provider), "/")
		received := normalizer.Request{URL: req.URL.String(), Header: req.Header, Body: r.Body, Token: token, ReceivedAt: now, ContentType: req.Header.Get("Content-Type")}
		if _, err := normalizer.Verify(p, &received, cfg.Keys(p)); err != nil {
			t.Errorf("%s %s: %v", r.Provider, r.Kind, err)
			continue
		}
		verified[r.Provider]++
	}
	for _, name := range simulators.Names() {
		if verified[name] == 0 {
			t.Errorf("no webhook of %s is verified", name)
		}
	}
	for _, api := range apis {
		p, _ := cfg.Registry.Find(api.provider)
		for setting, values := range api.fake.Keys("") {
			if setting != normalizer.APIURL && cfg.Keys(p).First(setting) != values[0] {
				t.Errorf("%s: fetching has another %s than its API asks for", api.provider, setting)
			}
		}
	}
}
