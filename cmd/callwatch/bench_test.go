package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
)

// BenchmarkWebhookToStored is one signed webhook over HTTP until it is durable,
// by one sender and by many.
func BenchmarkWebhookToStored(b *testing.B) {
	for _, senders := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			secrets, err := simulatecmd.RandomSecrets(registry.Simulators())
			if err != nil {
				b.Fatal(err)
			}
			cfg := demoConfig(registry.Providers(), b.TempDir(), "127.0.0.1:0", secrets)
			a, err := newApp(b.Context(), cfg, serving, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.run(ctx) }()
			post(b, "http://"+a.server.Addr().String(), senders, secrets)
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}

func post(b *testing.B, base string, senders int, secrets simulate.Secrets) {
	traffic, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Seed: 1, Count: 50, Rate: 1000, Start: time.Now(), Secrets: secrets})
	if err != nil {
		b.Fatal(err)
	}
	requests := slices.DeleteFunc(slices.Collect(traffic), func(r simulate.Request) bool { return r.Expect != simulate.Normalized })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	b.SetParallelism(max(1, senders/2))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			req, err := requests[i%len(requests)].Sign(b.Context(), simulate.Target{URL: base}, time.Now())
			if err != nil {
				b.Error(err)
				return
			}
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("answered %d", res.StatusCode)
				return
			}
		}
	})
}
