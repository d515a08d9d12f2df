package rules

import (
	"encoding/json"
	"fmt"
	"time"

	"callwatch/call"
)

// Case is one test of a rule: calls that are given, time that passes, and what
// is expected then.
type Case struct {
	Rule    string
	Name    string
	Given   []Given
	Advance time.Duration // stream time that passes after the last event
	Expect  Expect

	File string
	Line int // of the case, in File
}

// Given is one event, or several alike, or a provider's payload.
type Given struct {
	Repeat int           // how often, 1..maxRepeat
	Every  time.Duration // from each event to the next one, also to that of the next step

	After *time.Duration // from the event before, instead of that one's Every
	At    *time.Duration // from the start of the case
	AtDay time.Time      // or a point in time: at the first step, the case starts then

	Kind  call.Kind      // "": ended, or the first kind that wakes the rule
	Facts map[string]any // by the field table; nil is unknown, a time may be an offset

	Payload, Provider string // a file beside the one with the case, and whose it is
}

// Offset is a time relative to the event that carries it.
type Offset time.Duration

// MaxCaseEvents is how many events the steps of a case may have together.
const MaxCaseEvents = 50_000

// CaseState is the state of a rule at the end of a case.
type CaseState string

const (
	CaseFiring   CaseState = "firing"   // an incident is open
	CaseResolved CaseState = "resolved" // one was, and none is
	CasePending  CaseState = "pending"  // the condition holds, not yet for long enough
	CaseUnjudged CaseState = "unjudged" // nothing could be told, for want of facts or of calls
	CaseInactive CaseState = "inactive" // judged, and all is well
	CaseNone     CaseState = "none"     // no call concerned the rule
)

func CaseStates() []string {
	return []string{
		string(CaseFiring), string(CaseResolved), string(CasePending),
		string(CaseUnjudged), string(CaseInactive), string(CaseNone),
	}
}

// Expect is what a case says of the end. What is absent is not looked at.
type Expect struct {
	State     CaseState
	Severity  Severity          // of the incident
	By        map[string]string // labels of the incident that is meant
	Matched   *int              // calls
	Incidents *int              // opened in the case
	Held      []string          // texts of conditions that held for the latest match: "mos (3.1) < 3.5"
}

func EventOf(facts map[string]any) (*call.Event, error) {
	b, err := json.Marshal(facts)
	if err != nil {
		return nil, fmt.Errorf("write call: %w", err)
	}
	var e call.Event
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("read call: %w", err)
	}
	return &e, nil
}
