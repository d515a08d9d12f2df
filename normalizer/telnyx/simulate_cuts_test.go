package telnyx

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/simulate"
)

func playedBegin() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

func playedSecrets(t testing.TB) simulate.Secrets {
	t.Helper()
	s, err := simulate.Sources{*Simulator()}.Generate(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// played is one call with ringing, answer, hold, silence, loss, a restart of the
// counters and its end.
func played(k simulatedSDK, seed uint64, secrets simulate.Secrets) *sdkReports {
	begun := playedBegin()
	at := func(sec float64) time.Time { return begun.Add(simulate.Seconds(sec)) }
	s := simulate.NewCall(simulate.NewRand(seed, 1), simulate.None, at(98.4))
	s.Started, s.Ringing, s.Answered, s.Ended = begun, at(1), at(12.2), at(98.4)
	s.Outcome, s.SIPCode = call.Completed, 200
	n := &simulate.Renderer{Call: s, Source: "telnyx", Form: "sdk " + k.name, Keys: secrets.Send["telnyx"], Proof: simulate.Proof{simulate.ByToken()}, Span: time.Second}
	r := k.reports(n)
	r.media.holds = []span{{at(25.5), at(37)}, {at(60), at(62.5)}}
	if k.stateLog == "" {
		r.media.holds = nil
	}
	r.media.silences = []span{{at(40), at(59)}}
	r.media.losses = []span{{at(65), at(71)}}
	r.media.restarts = []time.Time{at(78)}
	return r
}

// bodiesOf are the bodies of the reports, cut at the given times.
func bodiesOf(r *sdkReports, stats []measured, cuts []time.Time) [][]byte {
	r.Requests = nil
	r.write(stats, cuts)
	bodies := make([][]byte, len(r.Requests))
	for i := range r.Requests {
		bodies[i] = r.Requests[i].Body
	}
	return bodies
}

func foldBodies(t interface{ Fatal(...any) }, bodies [][]byte) *call.Call {
	p := Provider()
	var c call.Call
	for _, b := range bodies {
		events, err := normalizer.Events(p, &normalizer.Body{
			Provider: "telnyx", Source: normalizer.Pushed, ContentType: simulate.JSONType, Bytes: b, ReceivedAt: playedBegin().Add(time.Hour),
		}, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			c.FoldWith(&events[i], call.Folding{Prefer: call.PreferProvider, Rate: normalizer.Rater(normalizer.Options{})})
		}
	}
	return &c
}

// sameCall is the difference between what is known of two calls.
func sameCall(a, b *call.Call) string {
	opts := cmp.Options{cmpopts.EquateApprox(1e-9, 1e-9), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(a.Facts, b.Facts, opts); diff != "" {
		return diff
	}
	return cmp.Diff(a.Intervals, b.Intervals, opts)
}

// The facts of a call are the same wherever its reports are cut, in whatever order
// they arrive and however often.
func TestTelnyxCutsDoNotMatter(t *testing.T) {
	providertest.Plain(t)
	secrets := playedSecrets(t)
	for _, k := range simulatedSDKs() {
		t.Run(k.name, func(t *testing.T) {
			r := played(k, 7, secrets)
			stats := r.media.collect()
			want := foldBodies(t, bodiesOf(r, stats, nil))
			checkPlayed(t, k, want)
			rapid.Check(t, func(t *rapid.T) {
				var cuts []time.Time
				if k.segments {
					for range rapid.IntRange(0, 8).Draw(t, "cuts") {
						cuts = append(cuts, stats[rapid.IntRange(0, len(stats)-1).Draw(t, "after")].end)
					}
					slices.SortFunc(cuts, time.Time.Compare)
				}
				bodies := bodiesOf(r, stats, cuts)
				order := rapid.Permutation(bodies).Draw(t, "order")
				order = append(order, rapid.SliceOfN(rapid.SampledFrom(bodies), 0, 3).Draw(t, "again")...)
				if diff := sameCall(want, foldBodies(t, order)); diff != "" {
					t.Fatalf("cut at %v: (-whole +cut)\n%s", cuts, diff)
				}
			})
		})
	}
}

// A call that was dropped and attached again has two collectors, each with counters
// of its own: one call, with the sum of both.
func TestTelnyxAttachedAgain(t *testing.T) {
	providertest.Plain(t)
	secrets := playedSecrets(t)
	for _, k := range simulatedSDKs() {
		if k.rings {
			continue // their reports say nothing of a drop
		}
		t.Run(k.name, func(t *testing.T) {
			first, second := played(k, 7, secrets), played(k, 8, secrets)
			second.callID, second.From, second.To = first.callID, first.From, first.To
			moved := func(at time.Time) time.Time { return at.Add(2 * time.Minute) }
			m := second.media
			second.Started, second.Answered, second.Ended = moved(second.Started), moved(second.Answered), moved(second.Ended)
			m.begun, m.until, m.restarts, m.silences, m.losses = second.Answered, second.Ended, nil, nil, nil
			for i, h := range m.holds {
				m.holds[i] = span{moved(h.from), moved(h.to)}
			}
			first.dropped = true
			one, two := first.media.collect(), m.collect()
			want := *foldBodies(t, bodiesOf(first, one, nil)).PacketsSent + *foldBodies(t, bodiesOf(second, two, nil)).PacketsSent
			rapid.Check(t, func(t *rapid.T) {
				cut := func(stats []measured) (cuts []time.Time) {
					for range rapid.IntRange(0, 3).Draw(t, "cuts") {
						cuts = append(cuts, stats[rapid.IntRange(0, len(stats)-1).Draw(t, "after")].end)
					}
					slices.SortFunc(cuts, time.Time.Compare)
					return cuts
				}
				bodies := append(bodiesOf(first, one, cut(one)), bodiesOf(second, two, cut(two))...)
				got := foldBodies(t, rapid.Permutation(bodies).Draw(t, "order"))
				if got.PacketsSent == nil || *got.PacketsSent != want {
					t.Fatalf("sent %v, want %d", got.PacketsSent, want)
				}
				if got.Status != call.Completed || !got.AnsweredAt.Equal(first.Answered) || !got.EndedAt.Equal(second.Ended) {
					t.Fatalf("%s from %s to %s", got.Status, got.AnsweredAt, got.EndedAt)
				}
			})
		})
	}
}

// checkPlayed holds the whole call to what was played.
func checkPlayed(t *testing.T, k simulatedSDK, c *call.Call) {
	is := func(v *bool, want bool) bool { return v != nil && *v == want }
	if !is(c.SilentInboundAudio, true) {
		t.Fatalf("silentInboundAudio %v", truth(c.SilentInboundAudio))
	}
	if k.rings {
		if k.name == "android" && (c.Status != call.Completed || !is(c.Answered, true)) || k.name == "flutter" && (c.Status != "" || c.Answered != nil) {
			t.Fatalf("status %q, answered %v", c.Status, truth(c.Answered))
		}
		if !c.AnsweredAt.IsZero() || c.DurationSec != nil || c.ShortCall != nil {
			t.Fatalf("answered at %s, %v s: nothing says so", c.AnsweredAt, known(c.DurationSec))
		}
		return
	}
	if c.Status != call.Completed || !is(c.Answered, true) || !c.AnsweredAt.Equal(playedBegin().Add(simulate.Seconds(12.2))) || c.DurationSec == nil || *c.DurationSec != 86.2 {
		t.Fatalf("status %s, answered at %s, %v s", c.Status, c.AnsweredAt, known(c.DurationSec))
	}
	if !is(c.NoInboundAudio, false) || !is(c.OneWayAudio, false) || !is(c.ShortCall, false) {
		t.Fatalf("noInboundAudio %v, oneWayAudio %v, shortCall %v", truth(c.NoInboundAudio), truth(c.OneWayAudio), truth(c.ShortCall))
	}
	for _, iv := range c.Intervals {
		if iv.Held && iv.RFactor != nil {
			t.Fatalf("%s: rated %v on hold", iv.Start, *iv.RFactor)
		}
	}
}

func truth(v *bool) any {
	if v == nil {
		return "unknown"
	}
	return *v
}

func known(v *float64) any {
	if v == nil {
		return "unknown"
	}
	return *v
}
