package rules

import (
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/rules/summary"
)

// Set is a compiled rules file. It is immutable: what can go wrong with a rule
// has gone wrong when it was loaded.
type Set struct {
	Rules   []*Rule
	Routes  []Route
	Digest  string   // of the content of the files
	Sources []Source // that content
	Files   []string // paths of the files beside them that they name, sorted

	FileSilences []CompiledSilence
	Env          condition.Env // macros, lists and tables of the files
}

// Source is a rules file: the name that problems call it, and its content.
type Source struct {
	Name string `json:"name"`
	Text []byte `json:"text"`
}

// Rule returns the rule of that name; nil if the set has none.
func (s *Set) Rule(name string) *Rule {
	for _, r := range s.Rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Rule is one compiled rule: about single calls, or about what Window, Absent or
// New say.
type Rule struct {
	Name    string
	Owner   string
	Runbook string
	Labels  map[string]string
	Summary *summary.Template // nil: the default sentence

	On     []call.Kind // event kinds that wake it
	Where  *condition.Program
	Except []Exception
	When   *condition.Program // on the figures of Window where there is one; nil beside Absent and New
	By     []string           // fields of the key

	Window *Window       // nil for rules without `over`
	Absent time.Duration // how long a key must be without a call; 0 for other rules
	Expect []string      // keys, as JoinLabels makes them, that are missed although no call of them was seen; for rules about absence
	New    *Novelty      // nil for rules without `new`
	Adopts []string      // rules whose incidents join those of this one

	Severity Severity // where no level of the ladder holds
	Ladder   []Level  // most severe first; empty for a single severity

	For          Hold
	ResolveAfter time.Duration
	Cooldown     time.Duration
	Repeat       time.Duration  // until the first reminder; 0 for none
	RepeatMax    time.Duration  // the longest time between reminders
	Active       ActiveTimes    // when incidents may open
	Zone         *time.Location // whose clock its conditions read; nil: UTC
	MaxKeys      int            // bound on live keys

	Slack   []string // channels of its own; none of these two: the routes decide
	Outputs []string // outputs of its own, by the names they are configured with
	Mention Mentions // who is called; nil: the routes decide
	Show    []string // fields listed for each sample call
	Samples int
	Mode    Mode

	Tests []Case

	File string // that it is in
	Line int    // in the file

	KeyFields []call.Field
	KeyTables []*condition.Table          // of those that are looked up; nil for others
	Tables    map[string]*condition.Table // of the file
	AdoptedBy []string
}

// Exception is a named reason not to judge a call.
type Exception struct {
	Name string
	When *condition.Program
}

// Level is one step of a severity ladder.
type Level struct {
	Severity Severity
	When     *condition.Program
}

// Hold is how long a condition must hold before it counts: a duration of stream
// time, or Need of the latest Of events that woke the rule. Zero is at once.
type Hold struct {
	Duration time.Duration
	Need, Of int
}

// Route sends the incidents it matches to channels.
type Route struct {
	Match    *condition.Program // nil matches all
	Slack    []string
	Outputs  []string
	Mention  Mentions
	Storm    *Storm // of its channels; nil: the usual one
	Continue bool   // later routes are tried as well
}

// Storm is when a channel sees one rolling message instead of single ones: more
// than New incidents within a time. New 0 is never.
type Storm struct {
	New    int
	Within time.Duration
}

// MaxAbsent is the longest time of `absent`. A key without a call for this long is
// no longer missed, and is forgotten.
const MaxAbsent = 7 * 24 * time.Hour

// Wakes reports whether an event of that kind makes the rule look at the call.
func (r *Rule) Wakes(k call.Kind) bool {
	for _, on := range r.On {
		if on == k {
			return true
		}
	}
	return false
}
