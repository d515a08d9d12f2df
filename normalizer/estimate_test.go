package normalizer

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/call/emodel"
)

var answeredAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// quality is the group of facts that estimate decides.
type quality struct {
	MOS       *float64
	Source    string
	Scope     string
	Grounding string
	Missing   []string
	Estimate  *float64
	RFactor   *float64
}

func qualityOf(e call.Event) quality {
	return quality{e.MOS, e.MOSSource, e.MOSScope, e.MOSGrounding, e.MOSMissing, e.MOSEstimate, e.RFactor}
}

func approx() cmp.Option {
	return cmp.Options{cmpopts.EquateApprox(0, 1e-6), cmpopts.EquateEmpty()}
}

// received is an ended call with 5 % loss: an estimate of 3.844.
func received() call.Event {
	return call.Event{Identity: call.Identity{Kind: call.Ended}, Facts: call.Facts{
		Codec: "pcmu", PacketsReceived: new(int64(950)), PacketsLost: new(int64(50)), JitterMs: new(5.0), RTTMs: new(60.0),
	}}
}

// believed adds the provider's score as a mapping does that accepts it.
func believed(e call.Event, mos float64) call.Event {
	e.MOSProvider, e.MOS, e.MOSSource = &mos, &mos, call.FromProvider
	return e
}

// unheard is an answered call of 30 s in which nothing was received.
func unheard() call.Event {
	return call.Event{Identity: call.Identity{Kind: call.Ended}, Facts: call.Facts{
		Answered: new(true), DurationSec: new(30.0), PacketsReceived: new(int64(0)),
	}}
}

func TestWhichMOSWins(t *testing.T) {
	own := quality{
		MOS: new(3.843997906), Source: call.Estimated, Scope: "conversational", Grounding: "g113",
		Estimate: new(3.843997906), RFactor: new(75.518866006),
	}
	silence := quality{MOS: new(1.0), Source: call.NoMedia, Missing: []string{"packetsLost", "codec", "rttMs", "jitterMs"}}
	theirs := func(mos float64, q quality) quality {
		return quality{MOS: &mos, Source: call.FromProvider, Grounding: "provider", Estimate: q.Estimate, RFactor: q.RFactor}
	}
	equal := *qualityOf(finished(received(), Options{})).Estimate
	for _, c := range []struct {
		name   string
		event  call.Event
		prefer call.Prefer
		want   quality
	}{
		{"estimate alone", received(), "", own},
		{"provider by default", believed(received(), 4.2), "", theirs(4.2, own)},
		{"provider", believed(received(), 4.2), call.PreferProvider, theirs(4.2, own)},
		{"estimate", believed(received(), 2.2), call.PreferEstimate, own},
		{"estimate where there is none", believed(call.Event{}, 2.2), call.PreferEstimate, theirs(2.2, quality{})},
		{"worst is ours", believed(received(), 4.2), call.PreferWorst, own},
		{"worst is theirs", believed(received(), 2.2), call.PreferWorst, theirs(2.2, own)},
		{"both are worst", believed(received(), equal), call.PreferWorst, theirs(equal, own)},
		{"nothing received", unheard(), "", silence},
		{"nothing received, provider believed", believed(unheard(), 4.5), "", theirs(4.5, quality{})},
		{"nothing received before provider", believed(unheard(), 4.5), call.PreferEstimate, silence},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, qualityOf(finished(c.event, Options{Prefer: c.prefer})), approx()); d != "" {
				t.Error(d)
			}
		})
	}
}

// finished is the event after all that comes before and in estimate.
func finished(e call.Event, o Options) call.Event {
	e.Derive()
	estimate(&e, o)
	return e
}

func TestEstimateSaysNothing(t *testing.T) {
	progress := received()
	progress.Kind = call.Progress
	agent := call.Event{Identity: call.Identity{Kind: call.Ended}, Facts: call.Facts{
		Answered: new(true), DurationSec: new(60.0), TurnCount: new(int64(4)), Codec: "pcmu",
	}}
	empty := agent
	empty.Intervals = []call.Interval{{Start: answeredAt, End: answeredAt.Add(5 * time.Second)}}
	for name, e := range map[string]call.Event{"progress": progress, "without media": agent, "empty intervals": empty} {
		if d := cmp.Diff(quality{}, qualityOf(finished(e, Options{})), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestMissingWhereNoneIsPossible(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*call.Event)
		want   []string
	}{
		"loss unknown":          {func(e *call.Event) { e.PacketsReceived = new(int64(900)) }, []string{"packetsLost", "codec", "rttMs", "jitterMs"}},
		"score not believed":    {func(e *call.Event) { e.MOSProvider = new(4.5) }, []string{"packetsReceived", "packetsLost", "codec", "rttMs", "jitterMs"}},
		"not known as answered": {func(e *call.Event) { *e = unheard(); e.Answered = nil }, []string{"packetsLost", "codec", "rttMs", "jitterMs"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := call.Event{Identity: call.Identity{Kind: call.Report}}
			c.change(&e)
			if d := cmp.Diff(quality{Missing: c.want}, qualityOf(finished(e, Options{}))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNoMediaNeedsTheAnswerTime(t *testing.T) {
	e := unheard()
	e.StartedAt, e.EndedAt = answeredAt, answeredAt.Add(30*time.Second) // the duration may be ringing
	if got := finished(e, Options{}); got.MOS != nil {
		t.Errorf("mos %v from ringing", *got.MOS)
	}
	e.AnsweredAt = answeredAt.Add(10 * time.Second)
	if got := finished(e, Options{}); got.MOSSource != call.NoMedia {
		t.Errorf("mosSource %q, want no-media", got.MOSSource)
	}
	e.BytesReceived = new(int64(1600))
	if got := finished(e, Options{}); got.MOS != nil || *got.NoInboundAudio {
		t.Errorf("mos %v, noInboundAudio %v although bytes came", got.MOS, *got.NoInboundAudio)
	}
}

// spoken is an interval of 5 s that begins at second from.
func spoken(from int, received, lost int64) call.Interval {
	start := answeredAt.Add(time.Duration(from) * time.Second)
	return call.Interval{
		Start: start, End: start.Add(5 * time.Second), PacketsReceived: &received, PacketsLost: &lost,
		JitterMs: new(5.0), RTTMs: new(60.0),
	}
}

func TestIntervalsMakeTheEstimate(t *testing.T) {
	e := received()
	e.Answered = new(true)
	concealed := spoken(10, 240, 10)
	concealed.ConcealedPct, concealed.JitterBufferMs = new(0.0), new(85.0)
	e.Intervals = []call.Interval{spoken(0, 980, 20), spoken(5, 900, 100), concealed, spoken(15, 0, 0), spoken(20, 0, 0)}
	got := finished(e, Options{})

	want := []float64{84.288526793, 64.234069838, 89.951926503, 0, 0} // of the reference vectors, and no media
	for i, iv := range got.Intervals {
		if iv.RFactor == nil || math.Abs(*iv.RFactor-want[i]) > 1e-6 || *iv.MOS != emodel.MOS(*iv.RFactor) {
			t.Errorf("interval %d: R %v, want %v", i, iv.RFactor, want[i])
		}
	}
	mean := (want[0] + want[1] + want[2]) / 5
	wantQuality := quality{
		MOS: new(emodel.MOS(mean)), Source: call.Estimated, Scope: "conversational", Grounding: "g113",
		Estimate: new(emodel.MOS(mean)), RFactor: &mean,
	}
	if d := cmp.Diff(wantQuality, qualityOf(got), approx()); d != "" {
		t.Error(d)
	}
	if *got.MOSMin != 1 || *got.MOSP5 != 1 || math.Abs(*got.MOSBelow35Pct-60) > 1e-9 {
		t.Errorf("mosMin %v mosP5 %v mosBelow35Pct %v", *got.MOSMin, *got.MOSP5, *got.MOSBelow35Pct)
	}
}

func TestSilentIntervals(t *testing.T) {
	rated := func(e call.Event) (out []bool) {
		e = finished(e.Clone(), Options{}) // the cases share intervals
		for _, iv := range e.Intervals {
			out = append(out, iv.RFactor != nil)
		}
		return out
	}
	call5 := func(ivs ...call.Interval) call.Event {
		e := unheard()
		e.Intervals = ivs
		return e
	}
	ringing := call5(spoken(0, 0, 0), spoken(5, 0, 0), spoken(10, 250, 0))
	answered := ringing
	answered.AnsweredAt = answeredAt.Add(5 * time.Second)
	unanswered := ringing
	unanswered.Answered = nil
	short := spoken(5, 0, 0)
	short.End = short.Start.Add(4 * time.Second)
	unknown := spoken(5, 0, 0)
	unknown.PacketsReceived = nil
	for name, c := range map[string]struct {
		event call.Event
		want  []bool
	}{
		"before the first packet it may ring": {ringing, []bool{false, false, true}},
		"after the answer it does not":        {answered, []bool{false, true, true}},
		"not known as answered":               {unanswered, []bool{false, false, true}},
		"after media":                         {call5(spoken(0, 250, 0), spoken(5, 0, 0)), []bool{true, true}},
		"shorter than 5 s":                    {call5(spoken(0, 250, 0), short, spoken(10, 250, 0)), []bool{true, false, true}},
		"counters unknown":                    {call5(spoken(0, 250, 0), unknown), []bool{true, false}},
	} {
		if d := cmp.Diff(c.want, rated(c.event)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestSilenceAloneIsNoEstimate(t *testing.T) {
	e := unheard()
	e.AnsweredAt = answeredAt
	e.Intervals = []call.Interval{spoken(0, 0, 0), spoken(5, 0, 0)}
	got := finished(e, Options{})
	if got.MOSSource != call.NoMedia || *got.MOS != 1 || got.RFactor != nil || got.MOSEstimate != nil || got.MOSMin != nil {
		t.Errorf("%+v", qualityOf(got))
	}
}

func TestShortIntervalsFallBackToTotals(t *testing.T) {
	e := received()
	e.Intervals = []call.Interval{spoken(0, 40, 0)}
	got := finished(e, Options{})
	if got.MOSMin != nil || got.Intervals[0].RFactor != nil || got.RFactor == nil || math.Abs(*got.RFactor-75.518866006) > 1e-6 {
		t.Errorf("%+v", qualityOf(got))
	}
}

func TestScopeOfMostOfTheTime(t *testing.T) {
	e := received()
	without := spoken(0, 250, 0)
	without.RTTMs = nil
	e.Intervals = []call.Interval{without, spoken(5, 250, 0), spoken(10, 250, 0)}
	if got := finished(e, Options{}); got.MOSScope != "conversational" || len(got.MOSMissing) != 0 {
		t.Errorf("scope %s missing %v", got.MOSScope, got.MOSMissing)
	}
	e.Intervals = []call.Interval{without, without, spoken(10, 250, 0)}
	if got := finished(e, Options{}); got.MOSScope != "listening" || !cmp.Equal(got.MOSMissing, []string{"rttMs"}) {
		t.Errorf("scope %s missing %v", got.MOSScope, got.MOSMissing)
	}
}

func TestOptionsShapeTheEstimate(t *testing.T) {
	table, err := emodel.NewTable(map[string]emodel.Codec{"pcmu": {Bpl: 4.3, PtimeMs: 20, Grounding: emodel.G113}})
	if err != nil {
		t.Fatal(err)
	}
	base := *finished(received(), Options{}).MOS
	for name, o := range map[string]Options{"codec table": {Codecs: table}, "extra delay": {ExtraDelayMs: 300}} {
		totals, intervals := received(), received()
		intervals.Intervals = []call.Interval{spoken(0, 950, 50)}
		a, b := finished(totals, o), finished(intervals, o)
		if *a.MOS >= base-0.1 || math.Abs(*a.MOS-*b.MOS) > 1e-9 {
			t.Errorf("%s: mos %v and %v, want the same below %v", name, *a.MOS, *b.MOS, base)
		}
	}
}

func TestConcealmentOfTotals(t *testing.T) {
	e := received()
	e.ConcealedPct = new(2.0)
	if got := finished(e, Options{}); math.Abs(*got.RFactor-84.288526793) > 1e-6 {
		t.Errorf("R %v, want that of 2 %% loss", *got.RFactor)
	}
}

// Package call has its own R to MOS, because it imports nothing of ours.
func TestOneMOSForCallAndEmodel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rapid.Float64Range(-20, 120).Draw(rt, "R")
		a, ok := call.AggregateIntervals([]call.Interval{{Start: answeredAt, End: answeredAt.Add(time.Second), RFactor: &r}})
		if want := emodel.MOS(r); !ok || math.Abs(a.MOS-want) > 1e-12 || a.MOSMin != want {
			rt.Fatalf("R %v: call %v, emodel %v", r, a.MOS, want)
		}
	})
}
