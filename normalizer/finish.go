package normalizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"callwatch/call"
	"callwatch/call/emodel"
	"callwatch/normalizer/e164"
)

// Options are the operator's choices that shape an event.
type Options struct {
	Prefer       call.Prefer  // which MOS a call shows; empty is the provider's
	Codecs       emodel.Table // codec table of the estimator
	ExtraDelayMs float64      // one-way delay known to lie beyond the providers' media servers
	Fetches      bool         // this provider's reports are fetched after the end of a call
}

// Events turns a stored body into normalized events: the provider's mapping,
// then everything that is the same for all providers. No event and no error
// means the body was of a kind that is acknowledged and ignored.
func Events(p Provider, b *Body, o Options) ([]call.Event, error) {
	normalize := p.Normalize
	if isGivenUp(b) {
		normalize = normalizeGivenUp
	}
	events, err := normalize(b)
	if err != nil {
		return nil, fmt.Errorf("normalize %s body: %w", p.Name, err)
	}
	for i := range events {
		finish(&events[i], p, b, o, i)
		if p.Unsigned && o.Fetches {
			confirm(&events[i], b)
		}
	}
	return events, nil
}

// finish completes an event that a provider's mapping began: identity, times,
// numbers in E.164, hangup class, derived facts, MOS, bounded raw.
func finish(e *call.Event, p Provider, b *Body, o Options, i int) {
	e.Provider, e.Account, e.RawID = p.Name, b.Account, b.RawID
	e.ReceivedAt = b.ReceivedAt
	if b.CallID != "" {
		e.CallID = b.CallID
	}
	if !identifies(e.ID) {
		e.ID = contentID(b, i)
	}
	e.ID = call.Source(p.Name, b.Account) + ":" + e.ID
	if e.OccurredAt.IsZero() {
		if e.OccurredAt = e.EndedAt; e.OccurredAt.IsZero() {
			e.OccurredAt = b.ReceivedAt
		}
	}
	if e.Cost == nil {
		e.CostCurrency = "" // it is that of the cost
	}
	e.Bound()
	e.Codec = codecName(e.Codec)
	e.From, e.FromCountry = e164.Normalize(e.From, e.FromCountry)
	e.To, e.ToCountry = e164.Normalize(e.To, e.ToCountry)
	classifyHangup(e, p.Causes)
	e.Derive()
	estimate(e, o)
	boundRaw(e.Raw)
}

// identifies says whether an identity can be in a header of a message: known,
// printable ASCII without blanks, and not endless.
func identifies(id string) bool {
	return id != "" && len(id) <= 256 && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// contentID identifies a body that names no delivery: the same bytes are the
// same event, however often they are sent.
func contentID(b *Body, i int) string {
	sum := sha256.Sum256(b.Bytes)
	id := "sha256-" + hex.EncodeToString(sum[:12])
	if i > 0 {
		id += fmt.Sprintf("-%d", i)
	}
	return id
}

// codecName is lower case, without a leading "audio/" and without clock rate
// and channels.
func codecName(s string) string {
	s = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "audio/")
	s, _, _ = strings.Cut(s, "/")
	return s
}
