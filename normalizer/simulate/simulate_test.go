package simulate_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
)

func begin() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

func testSecrets(t testing.TB) simulate.Secrets {
	t.Helper()
	s, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func traffic(t testing.TB, o simulate.Options) []simulate.Request {
	t.Helper()
	return slices.Collect(sequence(t, o))
}

func sequence(t testing.TB, o simulate.Options) iter.Seq[simulate.Request] {
	t.Helper()
	if o.Secrets.Send == nil {
		o.Secrets = testSecrets(t)
	}
	o.Start, o.Sources = begin(), registry.Simulators()
	requests, err := simulate.Traffic(o)
	if err != nil {
		t.Fatal(err)
	}
	return requests
}

func TestSameSeedSameTraffic(t *testing.T) {
	for _, s := range simulate.Scenarios() {
		o := simulate.Options{Seed: 7, Count: 40, Scenario: s.Name}
		requests := sequence(t, o)
		first := digests(slices.Collect(requests))
		if diff := cmp.Diff(first, digests(slices.Collect(requests))); diff != "" {
			t.Errorf("%s: second pass differs: %s", s.Name, diff)
		}
		if diff := cmp.Diff(first, digests(traffic(t, o))); diff != "" {
			t.Errorf("%s: same options differ: %s", s.Name, diff)
		}
		o.Seed = 8
		if slices.Equal(first, digests(traffic(t, o))) {
			t.Errorf("%s: another seed gives the same traffic", s.Name)
		}
	}
}

// digests are a line per request that changes with anything in it.
func digests(requests []simulate.Request) []string {
	var out []string
	for _, r := range requests {
		body := sha256.Sum256(r.Body)
		r.Body = nil
		out = append(out, fmt.Sprintf("%x %v %v %v %v %v %v %v", body, r.At, r.Provider, r.Path, r.Header, r.Note, r.Bad, r.Expect))
	}
	return out
}

func TestRequestsComeInTheirOrder(t *testing.T) {
	last := time.Duration(0)
	for r := range sequence(t, simulate.Options{Seed: 1, Count: 500}) {
		if r.At < last {
			t.Fatalf("%s of %s at %v after one at %v", r.Kind, r.CallID, r.At, last)
		}
		last = r.At
	}
	if last < 100*time.Second || last > 112*time.Second {
		t.Errorf("500 calls at the default rate end after %v, want about 100 s", last)
	}
}

func TestEveryKindOccurs(t *testing.T) {
	seen := map[string]map[string]int{}
	for r := range sequence(t, simulate.Options{Seed: 3, Count: 2000}) {
		if seen[r.Provider] == nil {
			seen[r.Provider] = map[string]int{}
		}
		seen[r.Provider][r.Kind]++
	}
	for _, p := range registry.Simulators().Names() {
		for _, kind := range registry.Simulators().Kinds(p) {
			if seen[p][kind] == 0 {
				t.Errorf("%s: no %s", p, kind)
			}
			delete(seen[p], kind)
		}
		for kind := range seen[p] {
			t.Errorf("%s: %s is not among its kinds", p, kind)
		}
	}
	for _, p := range registry.Providers() {
		if !slices.Contains(registry.Simulators().Names(), p.Name) {
			t.Errorf("no traffic of %s", p.Name)
		}
	}
}

// A demonstration lasts half a minute: every provider, several kinds of trouble,
// and the first of it at once.
func TestDemonstrationShowsEverything(t *testing.T) {
	for seed := range uint64(20) {
		providers, faults := map[string]bool{}, map[string]bool{}
		firstBad := time.Duration(0)
		for r := range sequence(t, simulate.Options{Seed: seed, Count: 125}) {
			providers[r.Provider] = true
			if _, what, bad := strings.Cut(r.Note, ": "); r.Bad {
				if !bad {
					t.Fatalf("bad request without its fault: %q", r.Note)
				}
				faults[strings.TrimSuffix(what, ", late")] = true
				if firstBad == 0 {
					firstBad = r.At
				}
			}
		}
		if len(providers) != len(registry.Simulators().Names()) {
			t.Errorf("seed %d: only %v", seed, providers)
		}
		if len(faults) < 5 || len(faults) > 9 {
			t.Errorf("seed %d: %d kinds of bad calls: %v", seed, len(faults), faults)
		}
		if firstBad > 3*time.Second {
			t.Errorf("seed %d: first bad call at %v", seed, firstBad)
		}
	}
}

func TestShareOfBadCalls(t *testing.T) {
	for _, share := range []float64{0, 0.1, 0.5, 1} {
		calls, bad := map[string]bool{}, map[string]bool{}
		for r := range sequence(t, simulate.Options{Seed: 5, Count: 400, Bad: new(share)}) {
			if r.CallID == "" {
				continue
			}
			if calls[r.CallID] = true; r.Bad {
				bad[r.CallID] = true
			}
		}
		if got := float64(len(bad)) / float64(len(calls)); got < share-0.005 || got > share+0.005 {
			t.Errorf("%.3f of the calls are bad, want %v", got, share)
		}
	}
}

func TestAFewRequestsAreRetriedOrLate(t *testing.T) {
	retries, late, all := 0, 0, 0
	for r := range sequence(t, simulate.Options{Seed: 9, Count: 2000}) {
		all++
		if strings.HasPrefix(r.Note, "retry: ") {
			retries++
		}
		if strings.HasSuffix(r.Note, ", late") {
			late++
		}
	}
	for what, n := range map[string]int{"retries": retries, "late ones": late} {
		if share := float64(n) / float64(all); share < 0.01 || share > 0.06 {
			t.Errorf("%.3f %s, want a few percent", share, what)
		}
	}
}

// What a body tells has happened when the request is sent.
func TestBodiesTellOfThePast(t *testing.T) {
	for r := range sequence(t, simulate.Options{Seed: 2, Count: 300, Rate: 50, Scenario: "storm"}) {
		if strings.HasSuffix(r.Note, ", late") || strings.HasPrefix(r.Note, "retry") {
			continue
		}
		sent := begin().Add(r.At)
		for _, at := range times(r.Body) {
			if at.After(sent) || sent.Sub(at) > 15*time.Minute {
				t.Errorf("%s %s sent at %v reports %v", r.Provider, r.Kind, sent, at)
			}
		}
	}
}

// times are all RFC 3339 times in a body.
func times(body []byte) []time.Time {
	var texts []string
	var v any
	if json.Unmarshal(body, &v) == nil {
		texts = leaves(v)
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		for _, values := range form {
			texts = append(texts, values...)
		}
	}
	var out []time.Time
	for _, s := range texts {
		if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
			out = append(out, at)
		}
	}
	return out
}

func leaves(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			texts = append(texts, leaves(e)...)
		}
	case map[string]any:
		for _, e := range v {
			texts = append(texts, leaves(e)...)
		}
	}
	return texts
}

func TestOptionsThatCannotBeMet(t *testing.T) {
	tests := map[string]struct {
		options simulate.Options
		want    string
	}{
		"scenario": {simulate.Options{Scenario: "chaos"}, `unknown scenario "chaos", want one of mixed, good,`},
		"provider": {simulate.Options{Providers: []string{"acme"}}, `unknown provider "acme", want one of telnyx, signalwire,`},
		"share":    {simulate.Options{Bad: new(5.0)}, "share of bad calls 5 is not within 0..1"},
		"rate":     {simulate.Options{Rate: -1}, "rate -1 is not"},
		"no teller": {
			simulate.Options{Providers: []string{"atoms", "butter"}, Scenario: "low-mos"}, "scenario low-mos: none of atoms, butter can report it",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.options.Sources, tt.options.Secrets = registry.Simulators(), testSecrets(t)
			_, err := simulate.Traffic(tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSendable(t *testing.T) {
	full := testSecrets(t)
	public := full.Receive["telnyx"]["PUBLIC_KEY"]
	other, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		provider string
		keys     normalizer.Keys
		want     string // "": sendable
	}{
		"private key":            {"telnyx", full.Send["telnyx"], ""},
		"public key alone":       {"telnyx", normalizer.Keys{"PUBLIC_KEY": public}, "set CALLWATCH_TELNYX_SIMULATE_PRIVATE_KEY"},
		"public key and token":   {"telnyx", normalizer.Keys{"PUBLIC_KEY": public, "URL_TOKEN": {"t"}}, ""},
		"key of another pair":    {"telnyx", normalizer.Keys{"PUBLIC_KEY": public, "SIMULATE_PRIVATE_KEY": other.Send["telnyx"]["SIMULATE_PRIVATE_KEY"]}, "does not belong"},
		"private key unreadable": {"telnyx", normalizer.Keys{"SIMULATE_PRIVATE_KEY": {"?"}}, "CALLWATCH_TELNYX_SIMULATE_PRIVATE_KEY: not base64"},
		"symmetric key":          {"atoms", normalizer.Keys{"SIGNING_SECRET": {"s"}}, ""},
		"token only":             {"bird", normalizer.Keys{"URL_TOKEN": {"t"}}, ""},
		"nothing":                {"signalwire", nil, "set CALLWATCH_SIGNALWIRE_SIGNING_KEY or CALLWATCH_SIGNALWIRE_URL_TOKEN"},
		"cannot sign":            {"butter", nil, "set CALLWATCH_BUTTER_URL_TOKEN"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := registry.Simulators().Sendable(simulate.FromKeys(map[string]normalizer.Keys{tt.provider: tt.keys}), tt.provider)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Providers without keys are left out unless they are asked for by name.
func TestOnlyProvidersWithKeysAreSimulated(t *testing.T) {
	some := simulate.FromKeys(map[string]normalizer.Keys{"atoms": {"SIGNING_SECRET": {"s"}}, "telnyx": {"URL_TOKEN": {"t"}}})
	for r := range sequence(t, simulate.Options{Seed: 1, Count: 40, Secrets: some}) {
		if r.Provider != "atoms" && r.Provider != "telnyx" {
			t.Errorf("request of %s", r.Provider)
		}
	}
	if _, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Providers: []string{"bird"}, Secrets: some}); err == nil {
		t.Error("bird without keys is accepted")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	secrets := testSecrets(t)
	requests := traffic(t, simulate.Options{Seed: 1, Count: 20, Secrets: secrets})
	asJSON, err := json.Marshal(struct{ Secrets simulate.Secrets }{secrets})
	if err != nil {
		t.Fatal(err)
	}
	printed := string(asJSON)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		printed += fmt.Sprintf(format, secrets) + fmt.Sprintf(format, requests)
	}
	if !strings.Contains(printed, "[redacted]") {
		t.Errorf("no %s in %.200s", "[redacted]", printed)
	}
	for provider, keys := range secrets.Send {
		for setting, values := range keys {
			for _, v := range values {
				if strings.Contains(printed, v) {
					t.Errorf("%s %s is printed", provider, setting)
				}
			}
		}
	}
}

// The server takes bodies of up to 4 MiB.
func TestBodiesAreWithinTheServersLimit(t *testing.T) {
	for r := range sequence(t, simulate.Options{Seed: 4, Count: 150, Scenario: "hostile", Bad: new(1.0)}) {
		if len(r.Body) > 3<<20 {
			t.Errorf("%v: %d bytes", r, len(r.Body))
		}
	}
}
