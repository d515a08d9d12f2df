package normalizer

import (
	"time"

	"callwatch/call"
	"callwatch/call/emodel"
)

// silence is how long nothing must arrive before an interval counts as without
// media.
const silence = 5 * time.Second

// score is a MOS with what belongs to it.
type score struct {
	mos       *float64 // nil for none
	source    string
	scope     string
	grounding string
	missing   []string
}

// estimate rates the received audio by the E-model and decides whose MOS the
// event shows. A mapping that believes its provider's figure has set MOS and
// MOSSource before.
func estimate(e *call.Event, o Options) {
	var provider, ours score
	if e.MOSSource == call.FromProvider {
		provider = score{mos: e.MOS, source: call.FromProvider, grounding: call.FromProvider}
	}
	if e.Kind != call.Progress {
		ours = rate(e, o)
	}
	won := choose(provider, ours, o.Prefer)
	e.MOS, e.MOSSource = won.mos, won.source
	e.MOSScope, e.MOSGrounding, e.MOSMissing = won.scope, won.grounding, won.missing
}

// Rater is how the fold rates the intervals that several events of a call brought.
func Rater(o Options) func(e *call.Event) call.Score {
	return func(e *call.Event) call.Score {
		for i := range e.Intervals {
			e.Intervals[i].RFactor, e.Intervals[i].MOS = nil, nil
		}
		s := rate(e, o)
		if s.mos == nil {
			return call.Score{}
		}
		return call.Score{Source: s.source, MOS: *s.mos, Scope: s.scope, Grounding: s.grounding, Missing: s.missing}
	}
}

// choose decides which score is shown. Where there is none, ours still tells what
// was missing.
func choose(provider, ours score, prefer call.Prefer) score {
	switch {
	case provider.mos == nil:
		return ours
	case ours.mos == nil:
		return provider
	case prefer == call.PreferEstimate, prefer == call.PreferWorst && *ours.mos < *provider.mos:
		return ours
	default:
		return provider
	}
}

// rate fills the facts of the estimate, from the intervals where they can be
// rated, else from the totals.
func rate(e *call.Event, o Options) score {
	typical := rateIntervals(e, o)
	rateSilence(e)
	if a, ok := call.AggregateIntervals(e.Intervals); ok && typical != nil {
		e.RFactor, e.MOSEstimate = &a.RFactor, &a.MOS
		e.MOSMin, e.MOSP5, e.MOSBelow35Pct = &a.MOSMin, &a.MOSP5, &a.MOSBelow35Pct
		return estimated(e.MOSEstimate, *typical)
	}
	in := emodel.Input{
		PacketsReceived: e.PacketsReceived, PacketsLost: e.PacketsLost, PacketsDiscarded: e.PacketsDiscarded,
		ConcealedPct: e.ConcealedPct, Codec: e.Codec, JitterMs: e.JitterMs, RTTMs: e.RTTMs,
		JitterBufferMs: e.JitterBufferMs, BurstRatio: e.BurstRatio, ExtraDelayMs: o.ExtraDelayMs,
		BytesReceived: e.BytesReceived, AnsweredSec: e.AudibleSec(),
	}
	got, ok := o.Codecs.Estimate(in)
	switch {
	case ok:
		e.RFactor, e.MOSEstimate = &got.RFactor, &got.MOS
		return estimated(e.MOSEstimate, got)
	case in.NoMedia():
		return score{mos: new(1.0), source: call.NoMedia, missing: got.Missing}
	case carriesMedia(e):
		return score{missing: got.Missing}
	default:
		return score{}
	}
}

func estimated(mos *float64, by emodel.Estimate) score {
	return score{mos: mos, source: call.Estimated, scope: by.Scope, grounding: by.Grounding, missing: by.Missing}
}

// rateIntervals gives each interval its rating, but for those on hold, and returns
// the estimate that is typical of them: of the scope, with or without delay, that covers more time.
func rateIntervals(e *call.Event, o Options) *emodel.Estimate {
	ins := make([]emodel.Input, len(e.Intervals))
	answered := e.Answered != nil && *e.Answered
	for i, iv := range e.Intervals {
		if iv.Held || !answered && silent(iv) {
			continue // nothing was to be received, or that is not known
		}
		ins[i] = emodel.Input{
			PacketsReceived: iv.PacketsReceived, PacketsLost: iv.PacketsLost, PacketsDiscarded: iv.PacketsDiscarded,
			ConcealedPct: iv.ConcealedPct, Codec: e.Codec, JitterMs: iv.JitterMs, RTTMs: iv.RTTMs,
			JitterBufferMs: iv.JitterBufferMs, ExtraDelayMs: o.ExtraDelayMs,
		}
	}
	var typical *emodel.Estimate
	covered := map[string]time.Duration{}
	for i, got := range o.Codecs.Intervals(ins) {
		if got == nil {
			continue
		}
		iv := &e.Intervals[i]
		iv.RFactor, iv.MOS = &got.RFactor, &got.MOS
		covered[got.Scope] += iv.Duration()
		if typical == nil || covered[got.Scope] > covered[typical.Scope] {
			typical = got
		}
	}
	return typical
}

// rateSilence gives R 0 to the intervals of each stretch in which an answered call
// received nothing. Before the first packet that takes the time of the answer:
// nothing arrives while it rings.
func rateSilence(e *call.Event) {
	if e.Answered == nil || !*e.Answered {
		return
	}
	flowing := false
	for i := 0; i < len(e.Intervals); i++ {
		var length time.Duration
		first := i
		for ; i < len(e.Intervals); i++ {
			iv := e.Intervals[i]
			talking := flowing || !e.AnsweredAt.IsZero() && !iv.Start.Before(e.AnsweredAt)
			if !talking || iv.Held || !silent(iv) {
				break
			}
			length += iv.Duration()
		}
		if length >= silence {
			for j := first; j < i; j++ {
				e.Intervals[j].RFactor, e.Intervals[j].MOS = new(0.0), new(emodel.MOS(0))
			}
		}
		flowing = flowing || i < len(e.Intervals) && heard(e.Intervals[i])
	}
}

// silent says whether it is known that nothing came, and that nothing was lost on
// the way either: counted loss is rated like any other.
func silent(iv call.Interval) bool {
	return iv.RFactor == nil && iv.PacketsReceived != nil && *iv.PacketsReceived == 0 &&
		(iv.PacketsLost == nil || *iv.PacketsLost <= 0)
}

func heard(iv call.Interval) bool { return iv.PacketsReceived != nil && *iv.PacketsReceived > 0 }

// carriesMedia says whether the event has any media figure: without one there is
// nothing that an estimate could have missed.
func carriesMedia(e *call.Event) bool {
	for _, n := range []*int64{
		e.PacketsReceived, e.PacketsLost, e.PacketsSent, e.PacketsDiscarded, e.PacketsSkipped,
		e.BytesReceived, e.BytesSent, e.RemotePacketsLost,
	} {
		if n != nil {
			return true
		}
	}
	for _, f := range []*float64{
		e.PacketLossPct, e.JitterMs, e.JitterMaxMs, e.RTTMs, e.RTTMaxMs, e.JitterBufferMs, e.ConcealedPct,
		e.AudioLevel, e.RemoteJitterMs, e.RemotePacketLossPct, e.MOSProvider,
	} {
		if f != nil {
			return true
		}
	}
	return false
}
