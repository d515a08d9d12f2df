package call

import (
	"math"
	"time"
)

const (
	shortCallSec = 6 // carriers count answered calls up to 6 s as short
	audibleSec   = 5 // an answered call this long should have carried audio
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
		e.CostPerMin = new(60 * *e.Cost / *e.DurationSec)
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
	if talk != nil && (e.DurationSec == nil || e.includesRinging()) {
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

// TalkSec is how long the call was answered, in seconds; nil where it was not
// answered or that is not known: a duration that may include ringing does not tell.
func (e *Event) TalkSec() *float64 {
	if e.Answered == nil || !*e.Answered || e.includesRinging() && e.AnsweredAt.IsZero() {
		return nil
	}
	return e.DurationSec
}

func (e *Event) deriveAudio() {
	if talk := e.TalkSec(); talk != nil && *talk >= audibleSec {
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
