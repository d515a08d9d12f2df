package simulate_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callwatch/normalizer/simulate"
)

// answers is the far side of the network.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func status(code int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("{}"))}
}

func sender(a answers) simulate.Sender {
	return simulate.Sender{Target: simulate.Target{URL: "http://callwatch.test"}, Client: &http.Client{Transport: a}, Now: time.Now}
}

func TestSendKeepsTheTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := traffic(t, simulate.Options{Seed: 1, Count: 20})
		var mu sync.Mutex
		var at []time.Duration
		begun := time.Now()
		totals, err := sender(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begun))
			return status(200), nil
		}).Send(t.Context(), slices.Values(requests))
		if err != nil || totals.Requests != len(requests) || totals.Statuses[200] != len(requests) {
			t.Fatalf("totals %+v, err %v, want %d requests", totals, err, len(requests))
		}
		for i, r := range requests {
			if at[i] != r.At {
				t.Errorf("request %d sent at %v, want %v", i, at[i], r.At)
			}
		}
	})
}

func TestSendRepeatsAsProvidersDo(t *testing.T) {
	down := errors.New("connection refused")
	tests := map[string]struct {
		answers []any // status or error, one after the other; then 200
		status  int
		retries int
		took    time.Duration
		failed  bool
	}{
		"accepted":           {answers: nil, status: 200},
		"refused":            {answers: []any{401}, status: 401},
		"two 503":            {answers: []any{503, 503}, status: 200, retries: 2, took: 750 * time.Millisecond},
		"retry after":        {answers: []any{429}, status: 200, retries: 1, took: 2 * time.Second},
		"no connection":      {answers: []any{down}, status: 200, retries: 1, took: 250 * time.Millisecond},
		"never a 2xx":        {answers: []any{500, 500, 500, 500, 500, 500}, status: 500, retries: 4, took: 3750 * time.Millisecond},
		"never an answer":    {answers: []any{down, down, down, down, down, down}, retries: 4, took: 3750 * time.Millisecond, failed: true},
		"too large is final": {answers: []any{413}, status: 413},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := traffic(t, simulate.Options{Seed: 1, Count: 1})[:1]
				one[0].At = 0
				n := 0
				begun := time.Now()
				totals, err := sender(func(*http.Request) (*http.Response, error) {
					n++
					if n > len(tt.answers) {
						return status(200), nil
					}
					switch a := tt.answers[n-1].(type) {
					case int:
						if a == 429 {
							return status(a, "Retry-After", "2"), nil
						}
						return status(a), nil
					default:
						return nil, a.(error)
					}
				}).Send(t.Context(), slices.Values(one))
				if tt.failed != (err != nil) || tt.failed && !errors.Is(err, down) {
					t.Errorf("error %v", err)
				}
				if tt.status != 0 && totals.Statuses[tt.status] != 1 || totals.Retries != tt.retries {
					t.Errorf("totals %+v, want status %d after %d retries", totals, tt.status, tt.retries)
				}
				if took := time.Since(begun); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

func TestSendStopsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		endless := sequence(t, simulate.Options{Seed: 1})
		var last simulate.Totals
		s := sender(func(*http.Request) (*http.Response, error) { return status(200), nil })
		s.Progress = func(now simulate.Totals) { last = now }
		totals, err := s.Send(ctx, endless)
		if err != nil || totals.Requests < 10 || totals.Requests > 100 {
			t.Errorf("totals %+v, err %v", totals, err)
		}
		if last.Requests != totals.Requests {
			t.Errorf("last progress %d, totals %d", last.Requests, totals.Requests)
		}
	})
}

// An error may reach a log: the path of the URL holds the token.
func TestSendErrorsKeepTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secrets := testSecrets(t)
		requests := traffic(t, simulate.Options{Seed: 1, Count: 2, Providers: []string{"butter"}, Secrets: secrets})
		_, err := sender(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no route to host")
		}).Send(t.Context(), slices.Values(requests))
		if err == nil || strings.Contains(err.Error(), secrets.Send["butter"]["URL_TOKEN"][0]) {
			t.Errorf("error: %v", err)
		}
	})
}
