package call

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func event(id string, kind Kind, after time.Duration, set func(*Event)) *Event {
	e := &Event{Identity: Identity{ID: id, Provider: "p", CallID: "c", Kind: kind, OccurredAt: t0.Add(after), ReceivedAt: t0.Add(after)}}
	if set != nil {
		set(e)
	}
	return e
}

func foldAll(events ...*Event) *Call {
	c := &Call{}
	for _, e := range events {
		c.Fold(e, PreferProvider)
	}
	return c
}

func TestUnknownNeverReplacesKnown(t *testing.T) {
	c := foldAll(
		event("1", Ended, 0, func(e *Event) { e.MOS, e.MOSSource, e.Codec = new(3.1), FromProvider, "pcmu" }),
		event("2", Report, time.Second, func(e *Event) { e.JitterMs = new(12.5) }),
	)
	if c.MOS == nil || *c.MOS != 3.1 || c.Codec != "pcmu" || c.JitterMs == nil || *c.JitterMs != 12.5 {
		t.Errorf("mos %v, codec %q, jitter %v: a later event that says nothing took something away", c.MOS, c.Codec, c.JitterMs)
	}
}

func TestLateProgressDoesNotUndoTheEnd(t *testing.T) {
	ended := event("2", Ended, 30*time.Second, func(e *Event) { e.Status = Busy })
	ringing := event("1", Progress, 0, func(e *Event) { e.Status, e.From = InProgress, "+15550001" })
	for name, c := range map[string]*Call{"in order": foldAll(ringing, ended), "out of order": foldAll(ended, ringing)} {
		if c.Status != Busy || c.From != "+15550001" {
			t.Errorf("%s: status %q, from %q; want busy and the number that only progress knew", name, c.Status, c.From)
		}
	}
}

func TestSameEventTwiceChangesNothing(t *testing.T) {
	e := event("1", Ended, 0, func(e *Event) { e.MOS, e.MOSSource = new(4.0), FromProvider })
	c := &Call{}
	if !c.Fold(e, PreferProvider) {
		t.Fatal("the first event changed nothing")
	}
	before, _ := json.Marshal(c)
	if c.Fold(e, PreferProvider) {
		t.Error("the same event again says it changed the call")
	}
	if after, _ := json.Marshal(c); !cmp.Equal(before, after) {
		t.Error(cmp.Diff(string(before), string(after)))
	}
}

// An event is recognized among the latest 64 of its call, and no more ids are kept.
func TestSeenEventsAreBounded(t *testing.T) {
	stats := func(i int) *Event { return event(strconv.Itoa(i), Stats, time.Duration(i)*time.Second, nil) }
	c := &Call{}
	for i := range 3 * maxSeen {
		if c.Fold(stats(i), PreferProvider); len(c.Seen) != min(i+1, 64) {
			t.Fatalf("after %d events %d ids are kept", i+1, len(c.Seen))
		}
		if oldest := max(0, i-63); c.Fold(stats(oldest), PreferProvider) || c.Events != i+1 {
			t.Fatalf("event %d is folded again among the latest 64", oldest)
		}
	}
	if c.Fold(stats(0), PreferProvider); c.Events != 3*maxSeen+1 {
		t.Error("an event is recognized that was to be forgotten")
	}
}

// A report does not correct the duration that the end of the call gave, in whatever order
// they arrive; it does correct other facts.
func TestDurationIsKeptFromTheEnd(t *testing.T) {
	stats := event("1", Stats, 0, func(e *Event) { e.DurationSec, e.Codec = new(30.0), "pcma" })
	ended := event("2", Ended, time.Second, func(e *Event) { e.DurationSec, e.Codec = new(60.0), "pcmu" })
	report := event("3", Report, time.Minute, func(e *Event) { e.DurationSec, e.Codec = new(58.5), "opus" })
	for _, order := range [][]*Event{{stats, ended, report}, {report, ended, stats}, {ended, report, stats}, {report, stats, ended}, {ended, report}, {report, ended}} {
		if c := foldAll(order...); *c.DurationSec != 60 || c.Codec != "opus" {
			t.Errorf("%s first: duration %v, codec %q; want 60 and opus", order[0].Kind, *c.DurationSec, c.Codec)
		}
	}
	if c := foldAll(report, stats); *c.DurationSec != 58.5 {
		t.Errorf("duration %v without an end, want the report's", *c.DurationSec)
	}
}

// A cause that usually ends calls which nobody answered may end one that was.
func TestAnswerTimeCorrectsDurationOfNone(t *testing.T) {
	answered := event("1", Progress, 5*time.Second, func(e *Event) { e.AnsweredAt = t0.Add(5 * time.Second); e.Derive() })
	ended := event("2", Ended, time.Minute, func(e *Event) {
		e.DurationSec, e.Status, e.EndedAt = new(0.0), NoAnswer, t0.Add(time.Minute)
		e.Derive()
	})
	for name, c := range map[string]*Call{"in order": foldAll(answered, ended), "reversed": foldAll(ended, answered)} {
		if c.DurationSec == nil || *c.DurationSec != 55 || c.ShortCall == nil || *c.ShortCall {
			t.Errorf("%s: %v s, short %v", name, c.DurationSec, c.ShortCall)
		}
	}
}

func TestAnswerTimeCorrectsDurationWithRinging(t *testing.T) {
	answered := event("1", Progress, 10*time.Second, func(e *Event) { e.AnsweredAt = t0.Add(10 * time.Second) })
	hangup := event("2", Ended, 40*time.Second, func(e *Event) {
		e.StartedAt, e.EndedAt, e.Status = t0, t0.Add(40*time.Second), Completed
		e.DurationSec = new(40.0)
	})
	for name, c := range map[string]*Call{"in order": foldAll(answered, hangup), "out of order": foldAll(hangup, answered)} {
		if c.DurationSec == nil || *c.DurationSec != 30 || c.SetupMs == nil || *c.SetupMs != 10_000 {
			t.Errorf("%s: duration %v, setup %v; want 30 s of talk and 10000 ms", name, c.DurationSec, c.SetupMs)
		}
	}
}

func TestWhichMOSWins(t *testing.T) {
	provider := event("p", Ended, 0, func(e *Event) { e.MOS, e.MOSSource, e.MOSGrounding = new(4.2), FromProvider, "provider" })
	estimate := event("e", Report, time.Second, func(e *Event) {
		e.MOS, e.MOSSource, e.MOSGrounding, e.MOSScope = new(3.3), Estimated, "g113", "listening"
	})
	for _, c := range []struct {
		prefer Prefer
		source string
		scope  string
	}{{PreferProvider, FromProvider, ""}, {PreferEstimate, Estimated, "listening"}, {PreferWorst, Estimated, "listening"}} {
		for _, order := range [][]*Event{{provider, estimate}, {estimate, provider}} {
			var got Call
			for _, e := range order {
				got.Fold(e, c.prefer)
			}
			if got.MOSSource != c.source || got.MOSScope != c.scope {
				t.Errorf("prefer %s, %s first: mos of %s (scope %q), want %s (%q)", c.prefer, order[0].ID, got.MOSSource, got.MOSScope, c.source, c.scope)
			}
		}
	}
}

// segment is a report of cumulative counters: what a stream of readings gives.
func segment(id string, to int, sum, first, last int64) *Event {
	return event(id, Stats, time.Duration(to)*time.Second, func(e *Event) {
		e.PacketsReceived = &sum
		e.Counters = &Counters{
			From: t0.Add(time.Duration(to-5) * time.Second), To: t0.Add(time.Duration(to) * time.Second),
			First: Reading{PacketsReceived: &first}, Last: Reading{PacketsReceived: &last}, Sum: Reading{PacketsReceived: &sum},
		}
	})
}

func TestSegmentsContinueTheCounters(t *testing.T) {
	cases := map[string]struct {
		segments []*Event
		want     int64
	}{
		"continued":                    {[]*Event{segment("1", 5, 250, 50, 250), segment("2", 10, 500, 300, 500)}, 500},
		"restarted between":            {[]*Event{segment("1", 5, 250, 50, 250), segment("2", 10, 100, 50, 100)}, 350},
		"restarted within one":         {[]*Event{segment("1", 5, 140, 100, 40), segment("2", 10, 80, 60, 80)}, 180},
		"out of order":                 {[]*Event{segment("2", 10, 500, 300, 500), segment("1", 5, 250, 50, 250)}, 500},
		"one is missing":               {[]*Event{segment("1", 5, 250, 50, 250), segment("3", 15, 750, 550, 750)}, 750},
		"the same sent under a new id": {[]*Event{segment("1", 5, 250, 50, 250), segment("1b", 5, 250, 50, 250)}, 250},
	}
	for name, c := range cases {
		if got := foldAll(c.segments...); got.PacketsReceived == nil || *got.PacketsReceived != c.want {
			t.Errorf("%s: %v packets, want %d", name, got.PacketsReceived, c.want)
		}
	}
}

// What is known at the end does not depend on the order in which webhooks of
// different kinds arrive, nor on how often.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []*Event
		for i, kind := range []Kind{Progress, Stats, Ended, Report} {
			events = append(events, event(fmt.Sprint(i), kind, time.Duration(i)*time.Second, func(e *Event) {
				if rapid.Bool().Draw(t, "mos") {
					e.MOS, e.MOSSource = new(rapid.Float64Range(1, 5).Draw(t, "value")), FromProvider
				}
				if rapid.Bool().Draw(t, "codec") {
					e.Codec = rapid.SampledFrom([]string{"pcmu", "opus"}).Draw(t, "name")
				}
				if rapid.Bool().Draw(t, "duration") {
					e.DurationSec = new(rapid.Float64Range(0, 100).Draw(t, "s"))
				}
			}))
		}
		want := foldAll(events...)
		shuffled := rapid.Permutation(events).Draw(t, "order")
		got := foldAll(append(shuffled, rapid.SliceOf(rapid.SampledFrom(events)).Draw(t, "again")...)...)
		if diff := cmp.Diff(want.Facts, got.Facts); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFieldTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if seen[f.Name] {
			t.Errorf("%s is twice in the table", f.Name)
		}
		seen[f.Name] = true
		if f.Name == "" || f.Doc == "" || strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%q: name or sentence missing, or a full stop: %q", f.Name, f.Doc)
		}
	}
	for _, name := range contract {
		if !seen[name] {
			t.Errorf("the table lacks %s", name)
		}
	}
	if seen["counters"] {
		t.Error("rules can read counters, which are of use to the fold alone")
	}
}

// contract are the names other programs rely on.
var contract = strings.Fields(`
	id provider kind callId sessionId parentCallId connectionId agentId agentName campaignId region userAgent transport tags
	occurredAt receivedAt final direction status answered from to fromCountry toCountry startedAt answeredAt endedAt durationSec
	ringSec pddMs setupMs shortCall hangupCause hangupCode hangupClass hangupSource sipCode abnormalHangup recorded codec
	packetsReceived packetsLost packetsSent packetsDiscarded packetsSkipped packetLossPct jitterMs jitterMaxMs rttMs rttMaxMs
	jitterBufferMs concealedPct burstRatio audioLevel bytesReceived bytesSent remotePacketsLost remoteJitterMs remotePacketLossPct
	noInboundAudio noOutboundAudio oneWayAudio iceState dtlsState candidateType relayed mos mosSource mosProvider mosEstimate
	mosScope mosGrounding mosMissing rFactor qualityScore mosMin mosP5 mosBelow35Pct turnCount interruptions turnLatencyMs
	turnLatencyP95Ms turnLatencyMaxMs sttLatencyMs llmLatencyMs ttsLatencyMs llmTokens ttsChars endReason errorCount fatalError
	errorCode errorMessage cost costCurrency costPerMin intervals raw rawId`)

func TestUnknownIsAbsentInJSON(t *testing.T) {
	b, err := (&Event{Identity: Identity{ID: "p:1", Provider: "p", Kind: Ended, CallID: "c"}}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"p:1","provider":"p","kind":"ended","callId":"c"}`
	if string(b) != want {
		t.Errorf("got %s\nwant %s", b, want)
	}
}

func BenchmarkFold(b *testing.B) {
	e := event("1", Ended, 0, func(e *Event) {
		e.MOS, e.MOSSource, e.PacketsReceived, e.DurationSec = new(4.1), FromProvider, new(int64(3000)), new(60.0)
		e.From, e.To, e.Status, e.Codec = "+15550001", "+15550002", Completed, "pcmu"
	})
	for b.Loop() {
		var c Call
		c.Fold(e, PreferProvider)
	}
}
