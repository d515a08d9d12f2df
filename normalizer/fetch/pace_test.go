package fetch_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/normalizer/registry"
)

// TestRate holds requests to the provider's rate, and says so where one would
// have to wait too long.
func TestRate(t *testing.T) {
	var clock *clock
	var at []time.Time
	clock, client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		at = append(at, clock.now())
		reply(200, report)(w, r)
	})
	p, _ := registry.Find("telnyx")
	start := clock.now()
	for range 100 {
		if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || a.Outcome != fetch.Ready {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	for i := range at {
		// Any window holds what came in it, less the burst of one second.
		if allowed := p.REST.Rate * (at[i].Sub(start).Seconds() + 1); float64(i) > allowed {
			t.Fatalf("request %d after %s, more than %v a second", i, at[i].Sub(start), p.REST.Rate)
		}
	}
}

// TestThrottled pauses all requests after a 429, without asking in vain.
func TestThrottled(t *testing.T) {
	var asked atomic.Int32
	clock, client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			reply(429, `{}`, "Retry-After", "60")(w, r)
			return
		}
		reply(200, report)(w, r)
	})
	until := clock.now().Add(time.Minute)
	for i := range 200 { // what is refused takes no place from what comes later
		a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"})
		if err != nil || a.Outcome != fetch.Throttled || a.Until.Before(until) || a.Until.After(until.Add(time.Second)) {
			t.Errorf("request %d: %+v, %v, want throttled until %s", i, a, err, until)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests reached the provider in its pause, want the first alone", asked.Load())
	}
	if h := client.Health(); !h.Until.Equal(until) || h.Circuit != fetch.Closed {
		t.Errorf("health %+v, want a pause until %s", h, until)
	}
	clock.add(time.Minute)
	if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || a.Outcome != fetch.Ready {
		t.Errorf("after the pause: %+v, %v", a, err)
	}
}

// TestUntold doubles the pause where a 429 does not tell it.
func TestUntold(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusTooManyRequests)
	clock, client := answering(t, func(w http.ResponseWriter, r *http.Request) { reply(int(status.Load()), `{}`)(w, r) })
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"})
		if err != nil || a.Outcome != fetch.Throttled || !a.Until.Equal(clock.now().Add(want*time.Second)) {
			t.Fatalf("%+v, %v, want a pause of %d s", a, err, want)
		}
		clock.add(want * time.Second)
	}
	status.Store(http.StatusNotFound)
	if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || a.Outcome != fetch.NotYet {
		t.Fatalf("%+v, %v", a, err)
	}
	status.Store(http.StatusTooManyRequests)
	if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || !a.Until.Equal(clock.now().Add(time.Second)) {
		t.Errorf("%+v, %v, want the first pause again", a, err)
	}
}

// TestOutage leaves a provider that is down alone, but for a probe now and then.
func TestOutage(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int32
	clock, client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if down.Load() {
			reply(503, `{}`)(w, r)
			return
		}
		reply(200, report)(w, r)
	})
	do := func() fetch.Answer {
		a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	down.Store(true)
	for range 50 {
		if a := do(); a.Outcome != fetch.Down {
			t.Fatalf("%+v, want down", a)
		}
	}
	if asked.Load() != 5 {
		t.Errorf("%d requests reached a provider that is down, want 5", asked.Load())
	}
	if a := do(); !a.Until.Equal(clock.now().Add(10 * time.Second)) {
		t.Errorf("until %s, want 10 s from now", a.Until)
	}
	clock.add(10 * time.Second)
	do()
	do()
	if asked.Load() != 6 || client.Health().Circuit != fetch.Open {
		t.Errorf("%d requests, circuit %s, want one probe that opens it again", asked.Load(), client.Health().Circuit)
	}
	down.Store(false)
	clock.add(20 * time.Second)
	if a := do(); a.Outcome != fetch.Ready || client.Health().Circuit != fetch.Closed {
		t.Errorf("%+v, circuit %s, want an answer", a, client.Health().Circuit)
	}
}

// TestDenied tells since when credentials are refused, until they work.
func TestDenied(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusUnauthorized)
	clock, client := answering(t, func(w http.ResponseWriter, r *http.Request) { reply(int(status.Load()), report)(w, r) })
	since := clock.now()
	for range 10 { // refusals are answers: they do not open the circuit
		if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || a.Outcome != fetch.Denied {
			t.Fatalf("%+v, %v", a, err)
		}
		clock.add(time.Second)
	}
	if got := client.Health().Denied; !got.Equal(since) {
		t.Errorf("denied since %s, want %s", got, since)
	}
	status.Store(http.StatusOK)
	if a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil || a.Outcome != fetch.Ready {
		t.Fatalf("%+v, %v", a, err)
	}
	if got := client.Health().Denied; !got.IsZero() {
		t.Errorf("denied since %s, want not any more", got)
	}
}
