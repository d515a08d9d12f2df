package registry_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
)

// smallBody is the largest body of the benchmarks of small webhooks, in bytes:
// call reports with statistics per interval are a matter of their own.
const smallBody = 4 << 10

// smallWebhooks are signed webhooks of a provider about calls that are over.
func smallWebhooks(b *testing.B, provider string) ([]normalizer.Request, normalizer.Keys) {
	secrets, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		b.Fatal(err)
	}
	keys := secrets.Receive[provider]
	if provider != "butter" {
		delete(keys, normalizer.URLToken) // the signature is what costs
		delete(secrets.Send[provider], normalizer.URLToken)
	}
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	traffic, err := simulate.Traffic(simulate.Options{
		Providers: []string{provider}, Seed: 1, Count: 20, Rate: 1000, Start: now, Sources: registry.Simulators(), Secrets: secrets,
	})
	if err != nil {
		b.Fatal(err)
	}
	const base = "https://hooks.example.com"
	var found []normalizer.Request
	for r := range traffic {
		if r.Expect != simulate.Normalized || len(r.Body) > smallBody {
			continue
		}
		signed, err := r.Sign(b.Context(), simulate.Target{URL: base}, now)
		if err != nil {
			b.Fatal(err)
		}
		request := normalizer.Request{
			URL: signed.URL.String(), Header: signed.Header, Body: r.Body, ReceivedAt: now,
			ContentType: signed.Header.Get("Content-Type"),
		}
		if provider == "butter" {
			request.Token = keys[normalizer.URLToken][0]
		}
		found = append(found, request)
	}
	if len(found) == 0 {
		b.Fatalf("no webhook of %s", provider)
	}
	return found, keys
}

func eachProvider(b *testing.B, fn func(b *testing.B, p normalizer.Provider)) {
	for _, p := range registry.Providers() {
		b.Run(p.Name, func(b *testing.B) { fn(b, p) })
	}
}

// BenchmarkVerifySmall is the cost of checking one signature.
func BenchmarkVerifySmall(b *testing.B) {
	eachProvider(b, func(b *testing.B, p normalizer.Provider) {
		requests, keys := smallWebhooks(b, p.Name)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := normalizer.Verify(p, &requests[i%len(requests)], keys); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkNormalizeSmall is the cost of one stored webhook up to its events.
func BenchmarkNormalizeSmall(b *testing.B) {
	eachProvider(b, func(b *testing.B, p normalizer.Provider) {
		bodies := smallBodies(b, p)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			found, _ := registry.Find(p.Name)
			if _, err := normalizer.Events(found, &bodies[i%len(bodies)], normalizer.Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEventJSON is the cost of writing one event of a small webhook.
func BenchmarkEventJSON(b *testing.B) {
	eachProvider(b, func(b *testing.B, p normalizer.Provider) {
		var events []call.Event
		for _, body := range smallBodies(b, p) {
			some, err := normalizer.Events(p, &body, normalizer.Options{})
			if err != nil {
				b.Fatal(err)
			}
			events = append(events, some...)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := events[i%len(events)].JSON(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func smallBodies(b *testing.B, p normalizer.Provider) []normalizer.Body {
	requests, keys := smallWebhooks(b, p.Name)
	bodies := make([]normalizer.Body, len(requests))
	for i := range requests {
		hook, err := normalizer.Verify(p, &requests[i], keys)
		if err != nil {
			b.Fatal(err)
		}
		bodies[i] = hook.Body()
		bodies[i].RawID = "1.0"
	}
	return bodies
}
