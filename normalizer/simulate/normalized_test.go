package simulate_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
)

const publicURL = "https://hooks.example.com"

// received signs the request and takes it as the server does.
func received(t *testing.T, r *simulate.Request, now time.Time) (*normalizer.Request, normalizer.Provider) {
	t.Helper()
	req, err := r.Sign(t.Context(), simulate.Target{URL: "http://127.0.0.1:8080", PublicURL: publicURL}, now)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := registry.Find(r.Provider)
	if !ok {
		t.Fatalf("unknown provider %s", r.Provider)
	}
	token, _ := strings.CutPrefix(req.URL.Path, "/webhooks/"+r.Provider)
	return &normalizer.Request{
		URL: publicURL + req.URL.RequestURI(), Header: req.Header, Body: r.Body, Token: strings.TrimPrefix(token, "/"),
		ReceivedAt: now, ContentType: req.Header.Get("Content-Type"),
	}, p
}

// normalized is what becomes of the request.
func normalized(t *testing.T, r *simulate.Request, keys normalizer.Keys) []call.Event {
	t.Helper()
	now := begin().Add(r.At)
	in, p := received(t, r, now)
	w, err := normalizer.Verify(p, in, keys)
	if refused := err != nil; refused != (r.Expect == simulate.Refused) {
		t.Fatalf("%s %s (%s): verify: %v, want %s", r.Provider, r.Kind, r.Note, err, r.Expect)
	}
	if err != nil {
		return nil
	}
	body := w.Body()
	events, err := normalizer.Events(p, &body, normalizer.Options{})
	got := simulate.Normalized
	switch {
	case err != nil:
		got = simulate.DeadLetter
	case len(events) == 0:
		got = simulate.Ignored
	}
	if got != r.Expect {
		t.Errorf("%s %s (%s): %s, want %s: %v\n%.400s", r.Provider, r.Kind, r.Note, got, r.Expect, err, r.Body)
	}
	return events
}

// calls folds the traffic of the options into calls, by whether they are bad.
func calls(t *testing.T, o simulate.Options) (good, bad map[call.Key]*call.Call) {
	t.Helper()
	o.Secrets = testSecrets(t)
	good, bad = map[call.Key]*call.Call{}, map[call.Key]*call.Call{}
	for r := range sequence(t, o) {
		set := good
		if r.Bad {
			set = bad
		}
		for _, e := range normalized(t, &r, o.Secrets.Receive[r.Provider]) {
			if r.CallID != "" && !strings.EqualFold(e.CallID, r.CallID) {
				t.Errorf("%s %s: call %q, want %q", r.Provider, r.Kind, e.CallID, r.CallID)
			}
			if set[e.Key()] == nil {
				set[e.Key()] = &call.Call{}
			}
			set[e.Key()].Fold(&e, call.PreferProvider)
		}
	}
	return good, bad
}

// symptoms are the faults that show in the facts of a call, by the limits that
// rules usually have.
func symptoms(c *call.Call) map[simulate.Fault]bool {
	above := func(v *float64, limit float64) bool { return v != nil && *v > limit }
	is := func(v *bool) bool { return v != nil && *v }
	found := map[simulate.Fault]bool{
		simulate.Loss:        c.PacketsLost != nil && *c.PacketsLost > 50 && above(c.PacketLossPct, 3),
		simulate.Congestion:  above(c.RTTMs, 500) && above(c.JitterMs, 30),
		simulate.LowMOS:      c.MOS != nil && *c.MOS < 3.5,
		simulate.OneWay:      is(c.OneWayAudio) || is(c.NoInboundAudio),
		simulate.Unreachable: c.SIPCode != nil && (*c.SIPCode >= 500 || *c.SIPCode == 408),
		simulate.SlowSetup:   above(c.SetupMs, 30000) || above(c.PDDMs, 7000),
		simulate.AgentSlow:   above(c.TurnLatencyP95Ms, 2000) && c.TurnCount != nil && *c.TurnCount >= 3,
		simulate.AgentError:  is(c.FatalError) || c.ErrorCount != nil && *c.ErrorCount >= 3,
	}
	found[simulate.GrowingLoss] = found[simulate.Loss]
	return found
}

func TestEveryRequestIsUnderstood(t *testing.T) {
	good, bad := calls(t, simulate.Options{Seed: 11, Count: 1000, Bad: new(0.2)})
	for key, c := range good {
		for f, found := range symptoms(c) {
			if found {
				t.Errorf("good call %v shows %s: mos %v lost %v", key, f, deref(c.MOS), c.PacketsLost)
			}
		}
		if c.AbnormalHang != nil && *c.AbnormalHang {
			t.Errorf("good call %v ended abnormally: %s %v", key, c.HangupCause, c.SIPCode)
		}
		for name, limit := range map[string]float64{
			"packetLossPct": 1, "jitterMs": 30, "rttMs": 400, "concealedPct": 3, "pddMs": 5000, "setupMs": 10000,
			"turnLatencyP95Ms": 1000, "packetsLost": 50,
		} {
			f, _ := call.Lookup(name)
			if v, known := f.Number(&c.Event); known && v > limit {
				t.Errorf("good call %v: %s %v is over %v", key, name, v, limit)
			}
		}
	}
	if len(good) < 750 || len(bad) < 190 {
		t.Errorf("%d good and %d bad calls", len(good), len(bad))
	}
}

// Each fault shows in the facts of every call that has it, whichever event reports it.
func TestBadCallsAreBad(t *testing.T) {
	for _, src := range registry.Simulators() {
		for _, form := range src.Forms {
			for _, f := range form.Shows {
				t.Run(src.Name+" "+form.Name+" "+string(f), func(t *testing.T) {
					secrets := testSecrets(t)
					for i := range 10 {
						told := simulate.Rendered(&src, &form, f, i, begin(), secrets)
						var c call.Call
						for _, r := range told {
							for _, e := range normalized(t, &r, secrets.Receive[src.Name]) {
								c.Fold(&e, call.PreferProvider)
							}
						}
						if !symptoms(&c)[f] {
							c.Raw, c.Intervals, c.Reports = nil, nil, nil
							body, _ := c.JSON()
							t.Fatalf("call %d does not show it: %s", i, body)
						}
					}
				})
			}
		}
	}
}

// The loss grows from report to report, so that it is seen while the call lasts.
func TestGrowingLossShowsDuringTheCall(t *testing.T) {
	secrets := testSecrets(t)
	var c call.Call
	flushes, lossy := 0, 0
	for r := range sequence(t, simulate.Options{Seed: 4, Count: 1, Bad: new(1.0), Scenario: "packet-loss", Secrets: secrets}) {
		for _, e := range normalized(t, &r, secrets.Receive[r.Provider]) {
			if c.Fold(&e, call.PreferProvider); e.Kind != call.Stats {
				continue
			}
			if flushes++; c.PacketLossPct != nil && *c.PacketLossPct > 3 {
				lossy++
			}
		}
	}
	if flushes < 5 || lossy < 3 {
		t.Errorf("%d of %d flushes show more than 3 %% loss, want 3 of 5", lossy, flushes)
	}
}

func TestHostileTrafficIsTakenAsMarked(t *testing.T) {
	secrets := testSecrets(t)
	seen, calls := map[simulate.Expect]int{}, map[call.Key]*call.Call{}
	for r := range sequence(t, simulate.Options{Seed: 6, Count: 150, Scenario: "hostile", Secrets: secrets}) {
		for _, e := range normalized(t, &r, secrets.Receive[r.Provider]) {
			if calls[e.Key()] == nil {
				calls[e.Key()] = &call.Call{}
			}
			calls[e.Key()].Fold(&e, call.PreferProvider)
		}
		seen[r.Expect]++
	}
	alerting := map[string]bool{}
	for key, c := range calls {
		if found := symptoms(c); found[simulate.LowMOS] || found[simulate.AgentError] {
			alerting[key.Provider] = true
		}
	}
	for _, p := range registry.Simulators().Names() {
		if !alerting[p] {
			t.Errorf("no hostile call of %s would raise an alert", p)
		}
	}
	for _, want := range []simulate.Expect{simulate.Normalized, simulate.Ignored, simulate.DeadLetter, simulate.Refused} {
		if seen[want] == 0 {
			t.Errorf("nothing to be %s", want)
		}
	}
}

// A server that has only URL tokens, or only signing keys, accepts what can be
// sent to it.
func TestTrafficForPartlyConfiguredServers(t *testing.T) {
	for name, drop := range map[string]func(setting string) bool{
		"tokens only": func(setting string) bool { return setting != normalizer.URLToken },
		"keys only":   func(setting string) bool { return setting == normalizer.URLToken },
	} {
		t.Run(name, func(t *testing.T) {
			secrets := testSecrets(t)
			for _, half := range []map[string]normalizer.Keys{secrets.Receive, secrets.Send} {
				for _, keys := range half {
					for setting := range keys {
						if drop(setting) {
							delete(keys, setting)
						}
					}
				}
			}
			n := 0
			for r := range sequence(t, simulate.Options{Seed: 6, Count: 200, Secrets: secrets}) {
				normalized(t, &r, secrets.Receive[r.Provider])
				n++
			}
			if n < 200 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A retry of a provider that keeps its first timestamp is signed with that.
func TestRetriesKeepTheFirstTimestamp(t *testing.T) {
	secrets := testSecrets(t)
	now := begin()
	for r := range sequence(t, simulate.Options{Seed: 1, Count: 50, Providers: []string{"bird"}, Secrets: secrets}) {
		if !simulate.KeepsTimestamp(&r) {
			continue
		}
		again := simulate.Again(&r, 3*time.Second)
		first, _ := received(t, &r, now)
		second, _ := received(t, &again, now.Add(3*time.Second))
		const name = "MessageBird-Request-Timestamp"
		if got := second.Header.Get(name); got != first.Header.Get(name) {
			t.Errorf("retry is dated %s, the first attempt %s", got, first.Header.Get(name))
		}
		return
	}
	t.Fatal("no such request")
}

func TestSecretsOfAnotherSetAreRefused(t *testing.T) {
	other, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{9}))
	if err != nil {
		t.Fatal(err)
	}
	for r := range sequence(t, simulate.Options{Seed: 1, Count: 100}) {
		in, p := received(t, &r, begin())
		if _, err := normalizer.Verify(p, in, other.Receive[r.Provider]); err == nil {
			t.Errorf("%s %s verifies with other secrets", r.Provider, r.Kind)
		}
		if r.Method != http.MethodPost {
			t.Errorf("%s %s is a %s", r.Provider, r.Kind, r.Method)
		}
	}
}

func deref(v *float64) any {
	if v == nil {
		return "unknown"
	}
	return *v
}

// During an episode the calls of its provider are bad in its region, and the others
// are as they were.
func TestEpisode(t *testing.T) {
	o := simulate.Options{Seed: 5, Scenario: "good", Rate: 5, Count: 600, Episodes: []simulate.Episode{
		{Provider: "bird", Region: "eu-west-1", From: 30 * time.Second, To: 90 * time.Second, Fault: simulate.LowMOS, Share: 0.9},
	}}
	good, bad := calls(t, o)
	if len(bad) < 30 {
		t.Fatalf("%d bad calls", len(bad))
	}
	for k, c := range bad {
		if k.Provider != "bird" || c.Region != "eu-west-1" {
			t.Errorf("bad call of %s in %q", k.Provider, c.Region)
		}
	}
	for k, c := range good {
		if k.Provider == "bird" && c.MOS != nil && *c.MOS < 3.5 {
			t.Errorf("good call with MOS %v", *c.MOS)
		}
	}
	again, _ := calls(t, o)
	if len(again) != len(good) {
		t.Errorf("%d good calls, then %d", len(good), len(again))
	}
}
