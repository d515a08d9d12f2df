// Package rules is the vocabulary of alerting: compiled rules, incidents and their
// transitions, silences, explanations and what can be told of them. It reads no rules
// files, which rules/rulefmt does, and evaluates nothing: rules/engine does. It may
// import call, phonetext, yamlfile, rules/condition, rules/window, rules/schedule,
// rules/summary and rules/numbers.
package rules

import (
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Severity of an incident.
type Severity string

const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Severities from the most to the least severe.
func Severities() []Severity { return []Severity{Critical, Warning, Info} }

// SeverityNames are their names.
func SeverityNames() []string {
	var names []string
	for _, s := range Severities() {
		names = append(names, string(s))
	}
	return names
}

// Worse says whether s is more severe than o.
func (s Severity) Worse(o Severity) bool { return s.Rank() > o.Rank() }

func (s Severity) Rank() int {
	return map[Severity]int{Critical: 3, Warning: 2, Info: 1}[s]
}

// State of an incident.
type State string

const (
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Step names a transition of an incident.
type Step string

const (
	StepOpened    Step = "opened"
	StepUpdated   Step = "updated"   // more calls matched; at most one every 30 s
	StepEscalated Step = "escalated" // a higher severity holds
	StepResolved  Step = "resolved"

	StepReminded       Step = "reminded"       // still open, and nobody has acknowledged it
	StepAcknowledged   Step = "acknowledged"   // a person has taken it
	StepUnacknowledged Step = "unacknowledged" // and given it back
	StepAssigned       Step = "assigned"       // it is somebody's, or nobody's any more
	StepNoted          Step = "noted"          // a person has said something about it
	StepSilenced       Step = "silenced"       // a silence covers it: nothing is said until it ends, but the resolve
	StepUnsilenced     Step = "unsilenced"     // the silence has ended, the incident has not
	StepAdopted        Step = "adopted"        // it belongs to the thread of another incident from now on
)

// Steps are all there are.
func Steps() []Step {
	return []Step{
		StepOpened, StepUpdated, StepEscalated, StepResolved, StepReminded, StepAcknowledged, StepUnacknowledged,
		StepAssigned, StepNoted, StepSilenced, StepUnsilenced, StepAdopted,
	}
}

// HeldBack counts what a rule kept from opening an incident or from being announced.
// Of rules about single calls the first two count matches, of windows and absence the
// times that the condition began to hold.
type HeldBack struct {
	ActiveHours int `json:"activeHours"` // came outside of the rule's active hours
	Cooldown    int `json:"cooldown"`    // came during a cooldown
	Silences    int `json:"silences"`    // incidents that a silence covered when they opened
}

func (h *HeldBack) Add(o HeldBack) {
	h.ActiveHours += o.ActiveHours
	h.Cooldown += o.Cooldown
	h.Silences += o.Silences
}

// Mode of a rule.
type Mode string

const (
	Active Mode = "active"
	Shadow Mode = "shadow" // evaluated and recorded, nothing is sent
	Off    Mode = "off"
)

// Transition is a named change of an incident, with the incident as it is after
// it: the transition is the state and the outbox in one.
type Transition struct {
	Step     Step      `json:"step"`
	At       time.Time `json:"at"`    // stream time
	Cause    Cause     `json:"cause"` // what made it happen
	Reason   string    `json:"reason"`
	Incident Incident  `json:"incident"`
}

// Cause is the place in the event stream that made a transition happen. Causes
// of one incident only grow, so a replay is recognized by them.
type Cause struct {
	Seq   uint64 `json:"seq"`   // of the event or tick
	Index int    `json:"index"` // among the transitions it caused
}

// After says whether c comes later in the stream than o.
func (c Cause) After(o Cause) bool {
	return c.Seq > o.Seq || c.Seq == o.Seq && c.Index > o.Index
}

// Label is one part of an incident's key: a field of `by` and its value.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Incident is the open alert of one (rule, key), from the first match to the
// resolve. It owns one Slack thread.
type Incident struct {
	ID       string   `json:"id"` // of this opening: unique, and the same in every replay
	Rule     string   `json:"rule"`
	By       []Label  `json:"by,omitempty"` // in the order of the rule's `by`
	State    State    `json:"state"`
	Severity Severity `json:"severity"` // the highest reached since it opened
	Mode     Mode     `json:"mode"`

	OpenedAt   time.Time `json:"openedAt"`
	Since      time.Time `json:"since,omitzero"` // when the condition began to hold, where that was before OpenedAt
	UpdatedAt  time.Time `json:"updatedAt"`
	ResolvedAt time.Time `json:"resolvedAt,omitzero"`

	Summary string            `json:"summary"` // one sentence, no markup
	Runbook string            `json:"runbook,omitempty"`
	Owner   string            `json:"owner,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Slack   []string          `json:"slack,omitempty"`   // channels it is routed to; none, and no outputs: the configured default
	Outputs []string          `json:"outputs,omitempty"` // configured outputs it is routed to, beside Slack
	Mention []string          `json:"mention,omitempty"` // who is called: ids of Slack, or texts
	Show    []string          `json:"show,omitempty"`    // fields listed for each sample call

	Counts    Counts     `json:"counts"`
	Opening   Evidence   `json:"opening"`             // what opened it, never changed
	Latest    Evidence   `json:"latest"`              // the latest match
	Worst     Evidence   `json:"worst"`               // the most severe match, then the one furthest beyond its limits
	Resolving *Evidence  `json:"resolving,omitempty"` // the latest call that was judged good, once resolved; of rules about single calls
	Samples   []Evidence `json:"samples,omitempty"`   // worst calls first, at most the rule's `samples`

	Acknowledged *Actor   `json:"acknowledged,omitempty"`
	ResolvedBy   *Actor   `json:"resolvedBy,omitempty"` // who resolved it by hand
	Ended        string   `json:"ended,omitempty"`      // why it resolved
	Closed       bool     `json:"closed,omitempty"`     // it ended because nobody watches its condition any more, which may go on to hold
	Silence      *Silence `json:"silence,omitempty"`    // the one that covers it now

	Assigned *Assignment `json:"assigned,omitempty"`
	Notes    []Note      `json:"notes,omitempty"` // oldest first; the latest 20

	// Of rules over windows; absent for rules about single calls.
	Values *Values `json:"values,omitempty"`
	Trend  []Point `json:"trend,omitempty"` // of Values.Name, oldest first, at most 20
	Top    []Share `json:"top,omitempty"`   // where the matching calls are, most first, at most 10
	TopOf  int     `json:"topOf,omitempty"` // measured calls that Top counts: the latest ones of the window when it opened, and all since

	Parent  string    `json:"parent,omitempty"`  // id of the incident that adopted this one
	Adopted []Adopted `json:"adopted,omitempty"` // incidents that this one adopted

	ResolveAfter time.Duration `json:"resolveAfter,omitempty"` // in force when it opened
	ResolveWhen  string        `json:"resolveWhen,omitempty"`  // of windows with one, the rule's condition for it
	Flapping     *Flapping     `json:"flapping,omitempty"`     // why ResolveAfter is longer than the rule's; nil: it is not
	RuleError    string        `json:"ruleError,omitempty"`    // the rule is unhealthy: its latest run-time error
}

// Flapping is a key whose incidents open and resolve again and again.
type Flapping struct {
	Openings int           `json:"openings"`        // within an hour, this one included
	Usual    time.Duration `json:"usual,omitempty"` // the rule's resolve_after
}

// Actor is who did something to an incident, and when.
type Actor struct {
	By string    `json:"by"` // as the person is called in Slack, or on the command line
	At time.Time `json:"at"`
}

// Silence keeps incidents from being announced for a time. They are evaluated
// and recorded all the same.
type Silence struct {
	ID      string    `json:"id"`
	Match   string    `json:"match"` // condition on incidents, as in routes
	Until   time.Time `json:"until"`
	By      string    `json:"by,omitempty"`
	Comment string    `json:"comment,omitempty"`
}

// Values are what the leading figure of a window rule was in the life of an
// incident.
type Values struct {
	Name      string   `json:"name"`  // "rate(mos < 3.5)"
	Share     bool     `json:"share"` // a share of 0..1, to be shown in percent
	Opening   float64  `json:"opening"`
	Latest    float64  `json:"latest"`
	Worst     float64  `json:"worst"`
	Resolving *float64 `json:"resolving,omitempty"`

	// Direction is the side to which the figure fires: "up" for large values, "down"
	// for small ones. Each value above is the end of its bounds that decides: the low
	// one for up, the high one for down.
	Direction string `json:"direction,omitempty"`

	Measure                   // of the latest value
	OpeningMeasure   *Measure `json:"openingMeasure,omitempty"`
	WorstMeasure     *Measure `json:"worstMeasure,omitempty"`
	ResolvingMeasure *Measure `json:"resolvingMeasure,omitempty"`
}

// Point is one value of a trend.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Share is how many calls with one value of a field matched.
type Share struct {
	Field   string `json:"field"`
	Value   string `json:"value"`
	Matched int    `json:"matched"`
	Judged  int    `json:"judged"` // measured calls
}

// Adopted names an incident in the list of the one that adopted it.
type Adopted struct {
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Summary  string    `json:"summary"`
	OpenedAt time.Time `json:"openedAt"`
}

// Counts are the calls an incident or rule has seen.
type Counts struct {
	Matched  int `json:"matched"`
	Judged   int `json:"judged"`   // outcome known, matched ones included
	Unjudged int `json:"unjudged"` // outcome depends on an unknown field

	// Of rules over windows: those of the unjudged of which a part is known.
	Partial int `json:"partial,omitempty"`
}

// Measured are the calls of which something is known that the rule asks.
func (c Counts) Measured() int { return c.Judged + c.Partial }

// UnjudgedShare is the share of calls, 0..1, whose outcome could not be told.
func (c Counts) UnjudgedShare() float64 {
	if c.Unjudged == 0 {
		return 0
	}
	return float64(c.Unjudged) / float64(c.Judged+c.Unjudged)
}

// Evidence is one call with the conditions that made a rule match.
type Evidence struct {
	At         time.Time   `json:"at"`
	Severity   Severity    `json:"severity,omitempty"`
	Call       call.Event  `json:"call"`       // the call as known then, less raw, counters and intervals
	Conditions []Condition `json:"conditions"` // every leaf of the expression, in its order
	Margin     float64     `json:"margin"`     // how far beyond its limit the worst condition is, relative to the limit
}

// Condition is one leaf of a rule's expression and the value it met.
type Condition = condition.Leaf

// Truth is the outcome of a condition in three-valued logic.
type Truth = condition.Truth

const (
	True    = condition.True
	False   = condition.False
	Unknown = condition.Unknown
)

// Held lists the texts of the conditions that held.
func (e *Evidence) Held() []string {
	var held []string
	for _, c := range e.Conditions {
		if c.Truth == True {
			held = append(held, c.Text)
		}
	}
	return held
}

// Key names the incident's group within its rule: the values of `by`, joined.
func (i *Incident) Key() string { return JoinLabels(i.By) }
