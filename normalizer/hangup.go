package normalizer

import (
	"slices"
	"strings"

	"callwatch/call"
)

// Cause is what a word for the end of a call means.
type Cause struct {
	Class    string   // one of the classes of hangupClass
	Severity severity // how much it says about a fault
	// SIP are the responses that tell more than the word, so that their own class
	// counts where one of them came with it. AnySIP: all of them do.
	SIP    []int64
	AnySIP bool
}

// severity of a hangup cause. From warning on, a cause of a faulty class makes
// the hangup abnormal.
type severity int

// Severities of a hangup cause.
const (
	harmless severity = iota
	Info
	warning
	critical
)

// Classes of hangup causes.
const (
	ClassNormal   = "normal"   // ended as intended
	ClassUser     = "user"     // a person's decision or absence
	ClassNumber   = "number"   // wrong or changed
	classNetwork  = "network"  // route, congestion, timeout, gateway down
	classConfig   = "config"   // own or peer set-up, capabilities, codecs
	classAuth     = "auth"     // credentials or permission
	classMedia    = "media"    // no RTP, SRTP error
	ClassPolicy   = "policy"   // limits, blocking, caller identity
	ClassInternal = "internal" // protocol or switch error, or unknown
)

// AnyWord is the entry of Provider.Causes for words it does not have.
const AnyWord = "*"

// classifyHangup tells what kind of cause ended the call; words are the provider's
// own. A class that the mapping set stays.
func classifyHangup(e *call.Event, words map[string]Cause) {
	word := strings.ToLower(strings.TrimSpace(e.HangupCause))
	if row, ok := causeNamed(word); ok && e.HangupCode == nil {
		e.HangupCode = new(row.code)
	}
	if e.HangupClass != "" {
		return
	}
	if cause, ok := causeOf(e, word, words); ok {
		e.HangupClass = cause.Class
		e.AbnormalHang = new(cause.abnormal())
	}
}

// causeOf is what the first of these says that is known: the provider's word, the
// switch's name of a cause, its number, the SIP response.
func causeOf(e *call.Event, word string, words map[string]Cause) (Cause, bool) {
	response, responded := sipCause(e.SIPCode)
	if cause, ok := words[word]; ok {
		if responded && (cause.AnySIP || slices.Contains(cause.SIP, *e.SIPCode)) {
			return response, true
		}
		return cause, true
	}
	if row, ok := causeNamed(word); ok {
		return row.cause(), true
	}
	if e.HangupCode != nil {
		if row, ok := causeNumbered(*e.HangupCode); ok {
			return row.cause(), true
		}
	}
	if responded || word == "" {
		return response, responded
	}
	cause, ok := words[AnyWord]
	return cause, ok
}

// abnormal says whether the cause is a fault worth an alert: not what people do,
// and not causes that say nothing.
func (c Cause) abnormal() bool {
	switch c.Class {
	case classNetwork, classConfig, classAuth, classMedia, ClassInternal:
		return c.Severity >= warning
	default:
		return false
	}
}

// sipCause is what a final SIP response says about the end of a call.
func sipCause(code *int64) (Cause, bool) {
	if code == nil {
		return Cause{}, false
	}
	row := func(class string, s severity) (Cause, bool) { return Cause{Class: class, Severity: s}, true }
	switch *code {
	case 200:
		return row(ClassNormal, harmless)
	case 480, 486, 487, 600, 603:
		return row(ClassUser, harmless)
	case 607: // unwanted
		return row(ClassUser, warning)
	case 404, 410, 484, 485, 604:
		return row(ClassNumber, Info)
	case 408, 481, 482, 483:
		return row(classNetwork, warning)
	case 500, 502, 503, 504:
		return row(classNetwork, critical)
	case 400, 405, 406, 413, 414, 415, 416, 420, 421, 488, 501, 505, 513, 606:
		return row(classConfig, warning)
	case 423: // interval too brief
		return row(classConfig, Info)
	case 401, 403, 407:
		return row(classAuth, warning)
	case 402: // payment required
		return row(ClassPolicy, critical)
	case 428, 429, 437, 438, 608: // caller identity, blocked by analytics
		return row(ClassPolicy, warning)
	case 491: // request pending
		return row(ClassInternal, Info)
	default:
		return Cause{}, false
	}
}

// CauseOf is a cause of a class, with the severity of that name: harmless, info, warning,
// critical, or "" for warning. false for another name.
func CauseOf(class, severity string) (Cause, bool) {
	switch severity {
	case "harmless":
		return Cause{Class: class, Severity: harmless}, true
	case "info":
		return Cause{Class: class, Severity: Info}, true
	case "", "warning":
		return Cause{Class: class, Severity: warning}, true
	case "critical":
		return Cause{Class: class, Severity: critical}, true
	}
	return Cause{}, false
}
