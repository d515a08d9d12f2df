package rules

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/rules/schedule"
)

// FilePrefix begins the ids of silences that are in the rules file.
const FilePrefix = "file_"

// InFile says whether the silence is in the rules file: only there can it be
// ended early.
func (s *Silence) InFile() bool { return strings.HasPrefix(s.ID, FilePrefix) }

// CompiledSilence is a silence with its compiled condition.
type CompiledSilence struct {
	Silence
	Ended bool `json:"ended,omitempty"` // by hand; kept until its time, so that the same silence does not come again

	Program *condition.Program `json:"-"` // Match, compiled
	During  schedule.Schedule  `json:"-"` // of one that recurs: when it is in force; nil: until its end
	Expired Problem            `json:"-"` // of one in the rules file, for when it is over
}

// Compile compiles the condition, which knows the tables of a set, but no macros and
// lists. It reports whether the condition is valid.
func (s *CompiledSilence) Compile(set *Set) bool {
	s.Program, _ = set.compileMatch(s.Match)
	return s.Program != nil
}

// covers says whether the silence keeps an incident from being announced.
func (s *CompiledSilence) covers(facts *condition.Facts, at time.Time) bool {
	return s.Live(at) && s.Program.Eval(facts).Truth == condition.True
}

// Live reports whether the silence is in force.
func (s *CompiledSilence) Live(at time.Time) bool { return !s.over(at) && s.During.Covers(at) }

// over reports whether the silence will never be in force again.
func (s *CompiledSilence) over(at time.Time) bool {
	return s.Ended || !s.Until.IsZero() && !at.Before(s.Until)
}

// forever is the end of what has none.
func forever() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

// now is the silence as it is in force at a time: one that recurs lasts until the end of
// its hours.
func (s *CompiledSilence) now(at time.Time) Silence {
	found := s.Silence
	if s.During == nil {
		return found
	}
	if found.Until.IsZero() {
		found.Until = forever()
	}
	end := s.During.End(at)
	if end.IsZero() { // weeks away, or never: it is looked for again
		end = at.Truncate(7 * 24 * time.Hour).Add(14 * 24 * time.Hour)
	}
	if end.Before(found.Until) {
		found.Until = end
	}
	return found
}

// begins is when a silence that recurs is in force next after a time; zero for never.
func (s *CompiledSilence) begins(at time.Time) time.Time {
	if s.During == nil || s.over(at) {
		return time.Time{}
	}
	next := s.During.Next(at)
	if s.over(next) {
		return time.Time{}
	}
	return next
}

// SilenceBegins is when the next silence of the file that recurs is in force; zero for
// never.
func (s *Set) SilenceBegins(at time.Time) time.Time {
	var next time.Time
	for i := range s.FileSilences {
		if t := s.FileSilences[i].begins(at); next.IsZero() || !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// SilencedBy is the silence among several that covers the incident for longest;
// nil for none. Silences see the incident as it opened, with the severity it has
// now, so that nothing but a new silence, an end or an escalation changes the
// answer.
func SilencedBy(in *Incident, at time.Time, lists ...[]CompiledSilence) *Silence {
	var longest *Silence
	facts := factsOf(in)
	for _, list := range lists {
		for i := range list {
			s := &list[i]
			if !s.covers(facts, at) {
				continue
			}
			if found := s.now(at); longest == nil || found.after(longest) {
				longest = &found
			}
		}
	}
	return longest
}

func (s *Silence) after(o *Silence) bool {
	return cmp.Or(s.Until.Compare(o.Until), cmp.Compare(s.ID, o.ID)) > 0
}

// Silenced is the silence of the rules file that covers an incident, nil for none.
func (s *Set) Silenced(in *Incident, at time.Time) *Silence {
	return SilencedBy(in, at, s.FileSilences)
}

// Expired are warnings about silences of the rules file that are over.
func (s *Set) Expired(at time.Time) Problems {
	var over Problems
	for i := range s.FileSilences {
		if s.FileSilences[i].over(at) {
			over = append(over, s.FileSilences[i].Expired)
		}
	}
	return over
}

// factsOf are what conditions on incidents see.
func factsOf(in *Incident) *condition.Facts {
	e := labelled(in.Opening.Call, in.By)
	facts := &condition.Facts{}
	facts.Load(&e)
	labels := map[string]string{}
	for _, l := range in.By {
		if l.Value != "" {
			labels[l.Name] = l.Value
		}
	}
	facts.LoadLabels(labels)
	facts.LoadExtra(in.Rule, string(in.Severity), in.Owner, in.ID)
	return facts
}

// labelled is the call with the fields of a key: an incident about calls that
// did not come has no call to take them from.
func labelled(e call.Event, by []Label) call.Event {
	known := map[string]json.RawMessage{}
	for _, l := range by {
		f, ok := call.Lookup(l.Name)
		switch {
		case !ok || l.Value == "":
		case f.Type == call.Text:
			known[l.Name], _ = json.Marshal(l.Value)
		default:
			known[l.Name] = json.RawMessage(l.Value)
		}
	}
	if b, err := json.Marshal(known); err == nil {
		_ = json.Unmarshal(b, &e) // what does not fit stays as it was
	}
	return e
}

// MatchFor is the condition of a silence for one incident and those that open
// for its rule and key later.
func MatchFor(in *Incident) string {
	parts := []string{"rule == " + strconv.Quote(in.Rule)}
	for _, l := range in.By {
		f, field := call.Lookup(l.Name)
		switch {
		case l.Value == "":
			parts = append(parts, l.Name+" == nil")
		case f.Type == call.Text || !field: // of a table
			parts = append(parts, l.Name+" == "+strconv.Quote(l.Value))
		default:
			parts = append(parts, l.Name+" == "+l.Value)
		}
	}
	match := strings.Join(parts, " && ")
	if checkMatch(match).Errors() {
		return "incident == " + strconv.Quote(in.ID)
	}
	return match
}

// Muted are the incidents that a silence with this condition keeps from being
// announced, while it lasts.
func (s *Set) Muted(match string, incidents []Incident) ([]Incident, Problems) {
	program, problems := s.compileMatch(match, s.Names()...)
	if problems.Errors() {
		return nil, problems
	}
	var muted []Incident
	for i := range incidents {
		if program.Eval(factsOf(&incidents[i])).Truth == condition.True {
			muted = append(muted, incidents[i])
		}
	}
	return muted, problems
}

// compileMatch compiles the condition of a silence made at run time. It knows no macros
// and lists, and of the rules file only what the tables of a set give; s may be nil. Where
// names of rules are given, a comparison with another name is an error.
func (s *Set) compileMatch(src string, known ...string) (*condition.Program, Problems) {
	var env condition.Env
	if s != nil {
		env.Tables = s.Env.Tables
	}
	return compileAlone("match", src, AlertEnv(env, known...))
}

// checkMatch says what is wrong with the condition of a silence, whatever tables there
// are: a name that is unknown may be one.
func checkMatch(src string) Problems {
	_, problems := (*Set)(nil).compileMatch(src)
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.Code == string(condition.CodeUnknownField) })
}

// CheckSilence says what is wrong with the condition of a silence where this set is in
// force; nil for nothing.
func (s *Set) CheckSilence(made *Silence) error {
	if _, problems := s.compileMatch(made.Match, s.Names()...); problems.Errors() {
		return problems
	}
	return nil
}

// Names are those of the rules.
func (s *Set) Names() []string {
	if s == nil {
		return nil
	}
	all := make([]string, len(s.Rules))
	for i := range s.Rules {
		all[i] = s.Rules[i].Name
	}
	return all
}

// InForce are the silences that are in force, the one that ends first at the front.
func InForce(at time.Time, lists ...[]CompiledSilence) []Silence {
	found := []Silence{}
	for _, list := range lists {
		for i := range list {
			if list[i].Live(at) {
				found = append(found, list[i].now(at))
			}
		}
	}
	slices.SortFunc(found, func(a, b Silence) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return found
}
