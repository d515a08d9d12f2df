// Package call is the vocabulary of callwatch: what a webhook says about one
// call (Event), what is known of a call so far (Call), and the table of their
// fields that rules, schema, documentation and console read.
//
// An unknown fact is absent: a nil pointer, an empty string, a zero time. It is
// never the number 0.
package call

import (
	"cmp"
	"log/slog"
	"strings"
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
	// Turns are the answers of a voice agent, in order, where the provider tells each.
	Turns []Turn `json:"turns,omitempty"`
	// Counters are the cumulative readings behind the packet counters, where the
	// source counts since the start of a stream: the fold of segments needs them.
	Counters *Counters `json:"counters,omitempty"`
	// Raw is the payload less its bulky and private parts, at most 16 KB.
	Raw   map[string]any `json:"raw,omitempty" field:"object" doc:"the provider's payload less its bulky and private parts; read as raw.x.y"`
	RawID string         `json:"rawId,omitempty" doc:"where the whole body is stored"`
}

// Identity tells events and calls apart. (Provider, Account, CallID) names a call.
type Identity struct {
	ID           string    `json:"id" doc:"identity of the event: provider and delivery id, or a hash of the body"`
	Provider     string    `json:"provider" case:"lower" doc:"the vendor that sent the webhook"`
	Account      string    `json:"account,omitempty" doc:"the account of the provider, where the settings name several"`
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

// Key names a call: provider, account and the provider's call id.
type Key struct {
	Provider string `json:"provider"`
	Account  string `json:"account,omitempty"`
	CallID   string `json:"callId"`
}

// Key names the call the event is about.
func (e *Event) Key() Key { return Key{e.Provider, e.Account, e.CallID} }

// Source is the name of where the event comes from.
func (i Identity) Source() string { return Source(i.Provider, i.Account) }

// Source is the name of where the call's events come from.
func (k Key) Source() string { return Source(k.Provider, k.Account) }

// With is the call of another id from the same account.
func (k Key) With(id string) Key { return Key{k.Provider, k.Account, id} }

// Compare orders calls by provider, account and id.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Provider, o.Provider), cmp.Compare(k.Account, o.Account), cmp.Compare(k.CallID, o.CallID))
}

// Source is the name of where events come from: the provider, or one account of it.
// Neither a provider's nor an account's name has the sign between them.
func Source(provider, account string) string {
	if account == "" {
		return provider
	}
	return provider + accountSign + account
}

const accountSign = "@"

// ParseSource reads what Source returned.
func ParseSource(name string) (provider, account string) {
	provider, account, _ = strings.Cut(name, accountSign)
	return provider, account
}

// Clone copies the event so that folding the copy leaves e as it was. Facts
// behind pointers are shared: they are never written through.
func (e *Event) Clone() Event {
	c := *e
	c.Intervals = append([]Interval(nil), e.Intervals...)
	c.Turns = append([]Turn(nil), e.Turns...)
	c.Tags = append([]string(nil), e.Tags...)
	return c
}

// LogValue is what an event shows in the log: the ids by which all that came of
// its webhook is found, and no facts of the call. It is empty without an id.
func (e *Event) LogValue() slog.Value {
	if e.ID == "" {
		return slog.GroupValue()
	}
	return slog.GroupValue(slog.String("provider", e.Source()), slog.String("call", e.CallID), slog.String("event", e.ID), slog.String("raw", e.RawID))
}
