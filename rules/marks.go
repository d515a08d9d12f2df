package rules

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Doing is what a person can do to incidents.
type Doing string

const (
	Acknowledge   Doing = "acknowledge"
	Unacknowledge Doing = "unacknowledge"
	Resolve       Doing = "resolve"
	AddSilence    Doing = "silence"
	ExpireSilence Doing = "expire"
	DisableRule   Doing = "disable" // of callwatch itself: the rule is too slow
	Resume        Doing = "resume"  // of callwatch itself: it was started
)

// Action is something a person does to incidents. It is an input of the fold
// like an event: stored among the events, and found there by every replay.
type Action struct {
	Do       Doing    `json:"do"`
	By       string   `json:"by"`                 // who, as people know them; at most 200 bytes
	Incident string   `json:"incident,omitempty"` // id, to acknowledge, unacknowledge and resolve
	Silence  *Silence `json:"silence,omitempty"`  // to add; to expire, only its id counts
	Rule     string   `json:"rule,omitempty"`     // to disable
}

const (
	maxBy       = 200
	maxComment  = 1000
	maxSilences = 1000 // made at run time
)

// silenceID leaves out what the rules file's ids begin with.
var silenceID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$`)

// ParseAction reads what Action.JSON wrote. Whatever it accepts, Mark can take.
func ParseAction(data []byte) (Action, error) {
	var a Action
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Action{}, fmt.Errorf("read action: %w", err)
	}
	if err := a.Check(); err != nil {
		return Action{}, err
	}
	return a, nil
}

// JSON is the action as it is stored; an error says what is wrong with it.
func (a Action) JSON() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

// Check says what is wrong with the action; Problems where it is the condition
// of its silence.
func (a Action) Check() error {
	if !plainText(a.By, maxBy) || a.By == "" {
		return fmt.Errorf("who does it must be named, in at most %d bytes and one line", maxBy)
	}
	switch a.Do {
	case Acknowledge, Unacknowledge, Resolve:
		if a.Incident == "" || len(a.Incident) > maxBy {
			return errors.New("the incident must be named by its id")
		}
		return nil
	case AddSilence, ExpireSilence:
		if a.Silence == nil || !silenceID.MatchString(a.Silence.ID) || a.Silence.InFile() {
			return errors.New("the silence must be named by an id of letters, digits, dots and dashes")
		}
		if a.Do == ExpireSilence {
			return nil
		}
		return a.Silence.check()
	case DisableRule:
		if !ruleName.MatchString(a.Rule) {
			return errors.New("the rule must be named")
		}
		return nil
	case Resume:
		return nil
	default:
		return fmt.Errorf("%.40q is none of %s, %s, %s, %s, %s", a.Do, Acknowledge, Unacknowledge, Resolve, AddSilence, ExpireSilence)
	}
}

func (s *Silence) check() error {
	if !plainText(s.Comment, maxComment) {
		return fmt.Errorf("the comment must be one line of at most %d bytes", maxComment)
	}
	if s.Until.IsZero() {
		return errors.New("the silence has no end")
	}
	if _, problems := compileMatch(s.Match); problems.Errors() {
		return problems
	}
	return nil
}

func plainText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Mark folds what a person did, stored at a place and time of the event stream.
// What is done already, or to an incident that is not open, changes nothing.
func (g *Engine) Mark(seq uint64, at time.Time, a Action) []Transition {
	if a.Do == Resume && seq > g.st.Seq {
		g.resume(at.UTC().Round(0))
	}
	if !g.begin(seq, at) {
		return nil
	}
	switch a.Do {
	case Acknowledge, Unacknowledge:
		g.acknowledge(a)
	case Resolve:
		g.resolveByHand(a)
	case AddSilence:
		g.addSilence(a)
	case ExpireSilence:
		g.expireSilence(a)
	case DisableRule:
		g.disable(a.Rule)
	}
	return g.out
}

func (g *Engine) acknowledge(a Action) {
	for _, k := range g.st.Keys {
		if k.Incident == nil || k.Incident.ID != a.Incident {
			continue
		}
		taken := a.Do == Acknowledge
		if taken == (k.Incident.Acknowledged != nil) {
			return
		}
		step := StepUnacknowledged
		k.change(func(i *Incident) {
			i.Acknowledged, i.UpdatedAt = nil, g.st.Now
			if taken {
				i.Acknowledged, step = &Mark{By: a.By, At: g.st.Now}, StepAcknowledged
			}
		})
		k.Told = k.told()
		g.emit(step, "by "+a.By, *k.Incident)
		return
	}
}

// resolveByHand resolves an open incident, whatever its condition.
func (g *Engine) resolveByHand(a Action) {
	for _, k := range g.st.Keys {
		if k.Incident != nil && k.Incident.ID == a.Incident {
			g.signal(g.set.Rules[g.indexed[k.Rule]], k.Key, signal{close: "by hand, by " + a.By, by: a.By})
			return
		}
	}
}

func (g *Engine) addSilence(a Action) {
	g.forgetSilences()
	made := silencer{Silence: *a.Silence}
	made.By, made.Until = a.By, made.Until.UTC()
	known := slices.ContainsFunc(g.st.Silences, func(s silencer) bool { return s.ID == made.ID })
	if known || !made.live(g.st.Now) || len(g.st.Silences) >= maxSilences {
		return
	}
	if made.match, _ = compileMatch(made.Match); made.match == nil {
		return
	}
	g.st.Silences = append(g.st.Silences, made)
	g.coverAll(silenced(&made.Silence))
}

func (g *Engine) expireSilence(a Action) {
	g.forgetSilences()
	for i := range g.st.Silences {
		if s := &g.st.Silences[i]; s.ID == a.Silence.ID && !s.Ended {
			s.Ended = true
			g.coverAll("ended by " + a.By)
		}
	}
}

// forgetSilences drops those whose time is over.
func (g *Engine) forgetSilences() {
	g.st.Silences = slices.DeleteFunc(g.st.Silences, func(s silencer) bool { return !g.st.Now.Before(s.Until) })
}

// Silences are those in force, of the rules file and made at run time, the one
// that ends first at the front.
func (g *Engine) Silences() []Silence { return live(g.st.Now, g.set.silences, g.st.Silences) }

// silenceOf is what covers an incident now; nil for nothing.
func (g *Engine) silenceOf(in *Incident) *Silence {
	if len(g.set.silences) == 0 && len(g.st.Silences) == 0 {
		return nil
	}
	return silencedBy(in, g.st.Now, g.set.silences, g.st.Silences)
}

// coverAll lets every open incident follow a change of the silences.
func (g *Engine) coverAll(why string) {
	var open []*keyState
	for _, k := range g.st.Keys {
		if k.Incident != nil {
			open = append(open, k)
		}
	}
	slices.SortFunc(open, func(a, b *keyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	for _, k := range open {
		g.cover(k, why)
	}
}

// cover brings the silence of one incident up to date and tells of a change. A
// silence that is over has ended, whatever else why says.
func (g *Engine) cover(k *keyState, why string) {
	if k == nil || k.Incident == nil {
		return
	}
	had, has := k.Incident.Silence, g.silenceOf(k.Incident)
	step := StepSilenced
	switch {
	case had == nil && has == nil:
		return
	case has == nil:
		step = StepUnsilenced
		if !g.st.Now.Before(had.Until) {
			why = "the silence is over"
		}
	case had != nil && had.ID == has.ID && had.Until.Equal(has.Until):
		return
	default:
		why = silenced(has)
	}
	k.change(func(i *Incident) { i.Silence, i.UpdatedAt = has, g.st.Now })
	k.Told = k.told()
	g.emit(step, why, *k.Incident)
	g.await(k)
}

// silenced is a silence in words.
func silenced(s *Silence) string {
	text := "until " + s.Until.UTC().Format(time.RFC3339)
	if s.By != "" {
		text += " by " + s.By
	}
	if s.Comment != "" {
		text += ": " + s.Comment
	}
	return text
}

// silencedTill is when the incident's silence ends; zero for never.
func (k *keyState) silencedTill() time.Time {
	if k.Incident == nil || k.Incident.Silence == nil {
		return time.Time{}
	}
	return k.Incident.Silence.Until
}
