package rules

import (
	"encoding/json"
	"fmt"
	"maps"
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

// offset is a time relative to the event that carries it.
type offset time.Duration

const (
	defaultEvery = time.Second
	maxRepeat    = 10_000

	maxCaseEvents = 50_000  // of all steps of a case
	maxFileEvents = 500_000 // of all cases of a file
	maxCaseTicks  = 200_000 // deadlines that pass in a case
)

// caseStart is when cases start that say nothing else: a working day at noon.
var caseStart = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// CaseState is where a rule stands at the end of a case.
type CaseState string

const (
	CaseFiring   CaseState = "firing"   // an incident is open
	CaseResolved CaseState = "resolved" // one was, and none is
	CasePending  CaseState = "pending"  // the condition holds, not yet for long enough
	CaseUnjudged CaseState = "unjudged" // nothing could be told, for want of facts or of calls
	CaseInactive CaseState = "inactive" // judged, and all is well
	CaseNone     CaseState = "none"     // no call concerned the rule
)

func caseStates() []string {
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

// event is the n-th event of a step, at a point in time. Facts that a call of
// its kind always has are filled in where the case does not name them.
func (g *Given) event(r *Rule, step, n int, at time.Time) (*call.Event, error) {
	facts := map[string]any{
		"provider": "example", "kind": string(g.kind(r)),
		"callId": fmt.Sprintf("call-%d-%d", step+1, n+1), "occurredAt": at,
	}
	maps.Copy(facts, usual(g.kind(r), g.Facts, at))
	maps.Copy(facts, g.Facts)
	for name, v := range facts {
		switch v := v.(type) {
		case nil:
			delete(facts, name)
		case offset:
			facts[name] = at.Add(time.Duration(v))
		}
	}
	if _, ok := g.Facts["id"]; !ok {
		facts["id"] = fmt.Sprintf("event-%d-%d", step+1, n+1)
	}
	e, err := eventOf(facts)
	if err != nil {
		return nil, err
	}
	e.ReceivedAt = at
	return e, nil
}

func eventOf(facts map[string]any) (*call.Event, error) {
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

func (g *Given) kind(r *Rule) call.Kind {
	switch {
	case g.Kind != "":
		return g.Kind
	case r.wakes(call.Ended) || len(r.On) == 0:
		return call.Ended
	default:
		return r.On[0]
	}
}

// usual is what goes without saying: a call that ended was completed, just now,
// unless the case tells how it failed; one with figures in between goes on.
func usual(k call.Kind, given map[string]any, at time.Time) map[string]any {
	switch k {
	case call.Ended, call.Report:
		facts := map[string]any{"endedAt": at, "final": true}
		if _, ok := given["sipCode"]; !ok && given["answered"] != false {
			facts["status"] = call.Completed
		}
		return facts
	case call.Stats:
		return map[string]any{"status": call.InProgress, "answered": true}
	}
	return nil
}
