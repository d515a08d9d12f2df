package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules/condition"
)

// filePrefix begins the ids of silences that stand in the rules file.
const filePrefix = "file_"

// InFile says whether the silence stands in the rules file: only there can it be
// ended early.
func (s *Silence) InFile() bool { return strings.HasPrefix(s.ID, filePrefix) }

// CompiledSilence is a silence with its compiled condition.
type CompiledSilence struct {
	Silence
	Ended bool `json:"ended,omitempty"` // by hand; kept until its time, so that the same silence does not come again

	match   *condition.Program
	expired Problem // of one in the rules file, for when it is over
}

// Compile compiles the condition, which knows no macros and lists. It reports
// whether the condition is valid.
func (s *CompiledSilence) Compile() bool {
	s.match, _ = compileMatch(s.Match)
	return s.match != nil
}

// covers says whether the silence keeps an incident from being announced.
func (s *CompiledSilence) covers(facts *condition.Facts, at time.Time) bool {
	return s.Live(at) && s.match.Eval(facts).Truth == condition.True
}

// Live reports whether the silence is in force.
func (s *CompiledSilence) Live(at time.Time) bool { return !s.Ended && at.Before(s.Until) }

// SilencedBy is the silence among several that covers the incident for longest;
// nil for none. Silences see the incident as it opened, with the severity it has
// now, so that nothing but a new silence, an end or an escalation changes the
// answer.
func SilencedBy(in *Incident, at time.Time, lists ...[]CompiledSilence) *Silence {
	var longest *CompiledSilence
	facts := factsOf(in)
	for _, list := range lists {
		for i := range list {
			s := &list[i]
			if s.covers(facts, at) && (longest == nil || s.after(longest)) {
				longest = s
			}
		}
	}
	if longest == nil {
		return nil
	}
	found := longest.Silence
	return &found
}

func (s *CompiledSilence) after(o *CompiledSilence) bool {
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
		if !s.FileSilences[i].Live(at) {
			over = append(over, s.FileSilences[i].expired)
		}
	}
	return over
}

// factsOf are what conditions on incidents see.
func factsOf(in *Incident) *condition.Facts {
	e := labelled(in.Opening.Call, in.By)
	facts := &condition.Facts{}
	facts.Load(&e)
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
		f, _ := call.Lookup(l.Name)
		switch {
		case l.Value == "":
			parts = append(parts, l.Name+" == nil")
		case f.Type == call.Text:
			parts = append(parts, l.Name+" == "+strconv.Quote(l.Value))
		default:
			parts = append(parts, l.Name+" == "+l.Value)
		}
	}
	match := strings.Join(parts, " && ")
	if _, problems := compileMatch(match); problems.Errors() {
		return "incident == " + strconv.Quote(in.ID)
	}
	return match
}

// Muted are the incidents that a silence with this condition keeps from being
// announced, while it lasts.
func Muted(match string, incidents []Incident) ([]Incident, Problems) {
	program, problems := compileMatch(match)
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

// compileMatch compiles the condition of a silence made at run time. It knows no
// macros and lists: it means the same whatever becomes of the rules file.
func compileMatch(src string) (*condition.Program, Problems) {
	return compileAlone("match", src, alertEnv(condition.Env{}))
}

// readSilences reads the silences of the rules file.
func (l *loader) readSilences(n ast.Node) {
	env, read := l.alertEnv(), 0
	l.list(n, "silences", func(n ast.Node) {
		if !l.within(n, read, maxListed, "silences") {
			return
		}
		read++
		var s CompiledSilence
		before := len(l.problems)
		l.mapping(n, "a silence", keys{
			"match":   func(n ast.Node) { s.match = l.program(n, "match", env) },
			"until":   func(n ast.Node) { s.Until = l.instant(n, "until") },
			"comment": func(n ast.Node) { s.Comment, _ = l.text(n, "comment") },
		})
		switch {
		case l.problems[before:].Errors():
			return
		case s.match == nil:
			l.add(nodeAt(n), "empty-condition", "a silence needs a condition", `add match: and a condition on incidents, such as rule == "no-calls"`)
			return
		case s.Until.IsZero():
			l.add(nodeAt(n), "no-end", "a silence needs an end", "add until: and a time such as 2026-12-01T06:00:00Z")
			return
		}
		s.Match = s.match.String() // macros expanded: it is shown without the file
		sum := sha256.Sum256([]byte(s.Match + "\x00" + s.Until.UTC().Format(time.RFC3339)))
		s.ID = filePrefix + hex.EncodeToString(sum[:6])
		s.expired = l.problem(nodeAt(n), problemWarning, "expired-silence", "this silence ended at "+s.Until.UTC().Format(time.RFC3339), "remove it")
		l.set.FileSilences = append(l.set.FileSilences, s)
	})
}

// instant is a time with its zone; zero after a problem.
func (d *document) instant(n ast.Node, what string) time.Time {
	s, ok := d.text(n, what)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.add(nodeAt(n), "bad-time", fmt.Sprintf("%s is not a time: %q", what, s), "date, time and zone, such as 2026-12-01T06:00:00Z")
		return time.Time{}
	}
	return t.UTC()
}

// InForce are the silences that are in force, the one that ends first at the front.
func InForce(at time.Time, lists ...[]CompiledSilence) []Silence {
	found := []Silence{}
	for _, list := range lists {
		for i := range list {
			if list[i].Live(at) {
				found = append(found, list[i].Silence)
			}
		}
	}
	slices.SortFunc(found, func(a, b Silence) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return found
}
