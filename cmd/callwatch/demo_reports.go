package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
)

// reportEvery is how often the demo ends a call whose quality is to be fetched.
const reportEvery = 2 * time.Second

// demoAPI is a provider's REST API on a loopback port, with calls of its own
// whose webhooks tell nothing of their quality.
type demoAPI struct {
	provider string
	token    string // of the webhooks' URL
	fake     *providerfake.Server
	http     *http.Server
}

// useFakeAPIs lets the demo fetch reports, from every provider whose webhooks
// can be believed without asking.
func useFakeAPIs(c *config.Config, entries []registry.Entry) ([]*demoAPI, error) {
	var apis []*demoAPI
	for i, e := range entries {
		p := e.Provider
		if p.REST == nil || p.Unsigned || len(e.FakeAPIs) == 0 {
			continue
		}
		fake := providerfake.New(e.FakeAPIs[0], providerfake.Options{Seed: uint64(i + 1), Now: time.Now, Healthy: true})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("start a fake API: %w", err)
		}
		api := &demoAPI{provider: p.Name, token: fmt.Sprintf("demo-%016x", rand.Uint64()), fake: fake}
		api.http = &http.Server{Handler: fake, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = api.http.Serve(listener) }()
		for setting, values := range fake.Keys("http://" + listener.Addr().String()) {
			if len(values) > 0 && setting != normalizer.URLToken {
				all := append(values[:1:1], c.Keys(p)[setting]...) // the first is fetched with, each verifies
				c.SetProvider(p.Name, setting, config.Secret(strings.Join(all, ",")))
			}
		}
		if tokens := c.Keys(p)[normalizer.URLToken]; len(tokens) > 0 {
			api.token = tokens[0]
		} else {
			c.SetProvider(p.Name, normalizer.URLToken, config.Secret(api.token))
		}
		apis = append(apis, api)
	}
	return apis, nil
}

// endCalls ends a call of one API after the other until ctx ends: its webhook
// comes now, its report a few seconds later, to every client that asks.
func endCalls(ctx context.Context, apis []*demoAPI, base string) error {
	every := time.NewTicker(reportEvery)
	defer every.Stop()
	for i := 0; len(apis) > 0; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		api := apis[i%len(apis)]
		delay := func(r *rand.Rand) time.Duration { return time.Second + time.Duration(r.Int64N(int64(2*time.Second))) }
		for _, call := range api.fake.Make(1, providerfake.Making{First: time.Now(), Delay: delay}) {
			if err := api.push(ctx, base, call.Webhook); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

func (a *demoAPI) push(ctx context.Context, base string, w providerfake.Webhook) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/webhooks/"+a.provider+"/"+a.token, bytes.NewReader(w.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", w.ContentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send a simulated webhook: %w", err)
	}
	return res.Body.Close()
}

func closeAll(apis []*demoAPI) error {
	var errs []error
	for _, a := range apis {
		errs = append(errs, a.http.Close())
	}
	return errors.Join(errs...)
}
