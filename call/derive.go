package call

import (
	"math"
	"time"
)

const (
	shortCallSec = 6 // carriers count answered calls up to 6 s as short
	audibleSec   = 5 // an answered call this long should have carried audio

	silentLevel     = 0.001 // a received level up to this is no speech
	silentIntervals = 3     // in a row: a pause between words is shorter
)

// Derive fills the facts that follow from other facts of the event. What a
// provider said itself is kept; what cannot be known stays absent.
func (e *Event) Derive() {
	e.deriveTimes()
	e.deriveAudio()
	if e.PacketLossPct == nil {
		e.PacketLossPct = LossPct(e.PacketsReceived, e.PacketsLost)
	}
	if e.RemotePacketLossPct == nil && e.RemotePacketsLost != nil && e.PacketsSent != nil && *e.PacketsSent > 0 {
		e.RemotePacketLossPct = new(min(100, 100*float64(*e.RemotePacketsLost)/float64(*e.PacketsSent)))
	}
	if e.Cost != nil && e.DurationSec != nil && *e.DurationSec > 0 {
		if perMin := 60 * *e.Cost / *e.DurationSec; !math.IsInf(perMin, 0) { // JSON has no such number
			e.CostPerMin = new(perMin)
		}
	}
	if e.CandidateType != "" && e.Relayed == nil {
		e.Relayed = new(e.CandidateType == "relay")
	}
}

func (e *Event) deriveTimes() {
	if e.Answered == nil {
		switch {
		case !e.AnsweredAt.IsZero(), e.Status == Completed:
			e.Answered = new(true)
		case e.Status == Busy, e.Status == NoAnswer, e.Status == Canceled, e.Status == Failed:
			e.Answered = new(false)
		}
	}
	talk := between(e.AnsweredAt, e.EndedAt)
	if talk != nil && (e.DurationSec == nil || *e.DurationSec == 0 || e.includesRinging()) { // 0: taken for a call that nobody answered
		e.DurationSec = talk
	}
	if e.SetupMs == nil && !e.StartedAt.Equal(e.AnsweredAt) {
		e.SetupMs = millis(between(e.StartedAt, e.AnsweredAt)) // equal times: one was taken from the other
	}
	if e.PDDMs == nil && !e.StartedAt.Equal(e.RingingAt) {
		e.PDDMs = millis(between(e.StartedAt, e.RingingAt))
	}
	if e.RingSec == nil {
		if e.RingSec = between(e.RingingAt, e.AnsweredAt); e.RingSec == nil && e.Answered != nil && !*e.Answered {
			e.RingSec = between(e.RingingAt, e.EndedAt)
		}
	}
	if e.DurationSec != nil && e.Answered != nil && e.Status != InProgress {
		e.ShortCall = new(*e.Answered && *e.DurationSec <= shortCallSec)
	}
}

// includesRinging says whether durationSec is known to span from the start of
// the call to its end and not from its answer, so that the answer time, once
// known, corrects it.
func (e *Event) includesRinging() bool {
	spans := func(sec *float64) bool { return sec != nil && math.Abs(*sec-*e.DurationSec) < 0.0015 }
	return e.DurationSec != nil && spans(between(e.StartedAt, e.EndedAt)) && !spans(between(e.AnsweredAt, e.EndedAt))
}

// TalkSec is how long the call was answered, in seconds, up to the last interval
// where it goes on; nil where it was not answered or that is not known: a duration
// that may include ringing does not tell.
func (e *Event) TalkSec() *float64 {
	switch {
	case e.Answered == nil || !*e.Answered, e.includesRinging() && e.AnsweredAt.IsZero():
		return nil
	case e.DurationSec == nil && e.EndedAt.IsZero() && len(e.Intervals) > 0:
		return between(e.AnsweredAt, e.Intervals[len(e.Intervals)-1].End)
	default:
		return e.DurationSec
	}
}

// AudibleSec is TalkSec less the intervals on hold.
func (e *Event) AudibleSec() *float64 {
	talk := e.TalkSec()
	if talk == nil {
		return nil
	}
	var held time.Duration
	for i := range e.Intervals {
		if e.Intervals[i].Held {
			held += e.Intervals[i].Duration()
		}
	}
	if held == 0 {
		return talk
	}
	return new(max(0, *talk-held.Seconds()))
}

func (e *Event) deriveAudio() {
	e.deriveSilence()
	if talk := e.AudibleSec(); talk != nil && *talk >= audibleSec {
		if e.NoInboundAudio == nil && e.PacketsReceived != nil {
			e.NoInboundAudio = new(*e.PacketsReceived == 0 && orZero(e.BytesReceived) == 0)
		}
		if e.NoOutboundAudio == nil && e.PacketsSent != nil {
			e.NoOutboundAudio = new(*e.PacketsSent == 0 && orZero(e.BytesSent) == 0)
		}
	}
	if e.NoInboundAudio != nil && e.NoOutboundAudio != nil {
		e.OneWayAudio = new(*e.NoInboundAudio != *e.NoOutboundAudio)
	}
}

// deriveSilence looks for silent intervals in a row. Those on hold and those
// before the answer do not count. It is unknown where no three intervals in a row
// know their packets and their level.
func (e *Event) deriveSilence() {
	var known, silent int
	if len(e.Intervals) > 0 {
		e.SilentInboundAudio = nil
	}
	for i := range e.Intervals {
		iv := &e.Intervals[i]
		if iv.Held || iv.PacketsReceived == nil || *iv.PacketsReceived <= 0 || iv.AudioLevel == nil ||
			!e.AnsweredAt.IsZero() && iv.Start.Before(e.AnsweredAt) {
			known, silent = 0, 0
			continue
		}
		known++
		if silent++; *iv.AudioLevel > silentLevel {
			silent = 0
		}
		switch {
		case silent >= silentIntervals:
			e.SilentInboundAudio = new(true)
			return
		case known >= silentIntervals:
			e.SilentInboundAudio = new(false)
		}
	}
}

// between is the seconds from one time to the other; nil where one is unknown
// or they are the wrong way round.
func between(from, to time.Time) *float64 {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return nil
	}
	return new(to.Sub(from).Seconds())
}

func millis(sec *float64) *float64 {
	if sec == nil {
		return nil
	}
	return new(1000 * *sec)
}
