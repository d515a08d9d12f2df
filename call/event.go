// Package call is the vocabulary of callwatch: what a webhook says about one
// call (Event), what is known of a call so far (Call), and the table of their
// fields that rules, schema, documentation and console read.
//
// An unknown fact is absent: a nil pointer, an empty string, a zero time. It is
// never the number 0.
package call

import (
	"log/slog"
	"time"
)

// Kind says what an event is about.
type Kind string

const (
	Progress Kind = "progress" // initiated, ringing, answered: folds into the call, wakes no rule by default
	Stats    Kind = "stats"    // figures flushed while the call goes on
	Ended    Kind = "ended"    // the call is over
	Report   Kind = "report"   // quality or cost that became known after the end
)

// Status values of Event.Status.
const (
	Completed  = "completed"
	Busy       = "busy"
	NoAnswer   = "no-answer"
	Failed     = "failed"
	Canceled   = "canceled"
	InProgress = "in-progress"
)

// Directions of Event.Direction, seen from the account that is billed.
const (
	Inbound  = "inbound"
	Outbound = "outbound"
)

// Transports of Event.Transport.
const (
	PSTN   = "pstn"
	SIP    = "sip"
	WebRTC = "webrtc"
	Chat   = "chat"
)

// Sources of Event.MOSSource.
const (
	FromProvider = "provider"  // the provider measured it
	Estimated    = "estimated" // the E-model, from loss, delay and codec
	NoMedia      = "no-media"  // nothing was received although the call was answered
)

// Event is what one webhook or fetched report says about one call, normalized.
type Event struct {
	Identity
	Facts

	// Intervals are figures per reporting interval, oldest first, not cumulative.
	Intervals []Interval `json:"intervals,omitempty" field:"list" doc:"figures per reporting interval: start, end, packetsReceived, packetsLost, packetLossPct, jitterMs, rttMs, concealedPct, jitterBufferMs, packetsDiscarded, audioLevel, held, rFactor, mos"`
	// Counters are the cumulative readings behind the packet counters, where the
	// source counts since the start of a stream: the fold of segments needs them.
	Counters *Counters `json:"counters,omitempty"`
	// Raw is the payload less its bulky and private parts, at most 16 KB.
	Raw   map[string]any `json:"raw,omitempty" field:"object" doc:"the provider's payload less its bulky and private parts; read as raw.x.y"`
	RawID string         `json:"rawId,omitempty" doc:"where the whole body is stored"`
}

// Identity tells events and calls apart. (Provider, CallID) names a call.
type Identity struct {
	ID           string    `json:"id" doc:"identity of the event: provider and delivery id, or a hash of the body"`
	Provider     string    `json:"provider" case:"lower" doc:"the vendor that sent the webhook"`
	Kind         Kind      `json:"kind" enum:"progress,stats,ended,report" doc:"what the event is about"`
	CallID       string    `json:"callId" doc:"the provider's id of the call or leg"`
	Aliases      []string  `json:"aliases,omitempty" field:"strings" doc:"other ids by which the provider calls the same call"`
	SessionID    string    `json:"sessionId,omitempty" doc:"groups the legs of one conversation"`
	ParentCallID string    `json:"parentCallId,omitempty" doc:"the call this leg belongs to"`
	ConnectionID string    `json:"connectionId,omitempty" doc:"the provider's application, trunk or channel"`
	AgentID      string    `json:"agentId,omitempty" doc:"the voice agent"`
	AgentName    string    `json:"agentName,omitempty" doc:"name of the voice agent"`
	CampaignID   string    `json:"campaignId,omitempty" doc:"the campaign the call belongs to"`
	Region       string    `json:"region,omitempty" doc:"the provider's media or signalling region"`
	UserAgent    string    `json:"userAgent,omitempty" doc:"software of the endpoint"`
	Transport    string    `json:"transport,omitempty" enum:"pstn,sip,webrtc,chat" doc:"how the leg is carried"`
	Tags         []string  `json:"tags,omitempty" field:"strings" doc:"labels the provider or its customer put on the call"`
	OccurredAt   time.Time `json:"occurredAt,omitzero" doc:"when it happened, by the provider's clock"`
	ReceivedAt   time.Time `json:"receivedAt,omitzero" doc:"when callwatch received it"`
	Final        bool      `json:"final,omitempty" doc:"nothing more is expected for this call"`
}

// Key names a call: provider and the provider's call id.
type Key struct {
	Provider string `json:"provider"`
	CallID   string `json:"callId"`
}

// Key names the call the event is about.
func (e *Event) Key() Key { return Key{e.Provider, e.CallID} }

// Clone copies the event so that folding the copy leaves e as it was. Facts
// behind pointers are shared: they are never written through.
func (e *Event) Clone() Event {
	c := *e
	c.Intervals = append([]Interval(nil), e.Intervals...)
	c.Tags = append([]string(nil), e.Tags...)
	return c
}

// LogValue is what an event shows in the log: the ids by which all that came of
// its webhook is found, and no facts of the call. It is empty without an id.
func (e *Event) LogValue() slog.Value {
	if e.ID == "" {
		return slog.GroupValue()
	}
	return slog.GroupValue(slog.String("provider", e.Provider), slog.String("call", e.CallID), slog.String("event", e.ID), slog.String("raw", e.RawID))
}
