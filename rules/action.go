package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Doing is what a person can do to incidents.
type Doing string

const (
	Acknowledge   Doing = "acknowledge"
	Unacknowledge Doing = "unacknowledge"
	Resolve       Doing = "resolve"
	Assign        Doing = "assign"
	AddNote       Doing = "note"
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
	Incident string   `json:"incident,omitempty"` // id, to acknowledge, unacknowledge, resolve, assign and note
	To       string   `json:"to,omitempty"`       // to assign: whose the incident is; "" for nobody
	Text     string   `json:"text,omitempty"`     // of a note
	Silence  *Silence `json:"silence,omitempty"`  // to add; to expire, only its id counts
	Rule     string   `json:"rule,omitempty"`     // to disable
}

const (
	maxBy      = 200  // bytes
	maxComment = 1000 // bytes
)

// NamePattern is what names of rules are like.
const NamePattern = `^[a-z0-9][a-z0-9_-]{0,63}$`

var namedRule = regexp.MustCompile(NamePattern)

// silenceID leaves out what the rules file's ids begin with.
var silenceID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$`)

// ParseAction reads what Action.JSON wrote. Whatever it accepts, Engine.Act can take.
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
	if !PlainText(a.By, maxBy) || a.By == "" {
		return fmt.Errorf("who does it must be named, in at most %d bytes and one line", maxBy)
	}
	switch a.Do {
	case Acknowledge, Unacknowledge, Resolve, Assign, AddNote:
		return a.checkIncident()
	case AddSilence, ExpireSilence:
		if a.Silence == nil || !silenceID.MatchString(a.Silence.ID) || a.Silence.InFile() {
			return errors.New("the silence must be named by an id of letters, digits, dots and dashes")
		}
		if a.Do == ExpireSilence {
			return nil
		}
		return a.Silence.check()
	case DisableRule:
		if !namedRule.MatchString(a.Rule) {
			return errors.New("the rule must be named")
		}
		return nil
	case Resume:
		return nil
	default:
		return fmt.Errorf("%.40q is none of %s, %s, %s, %s, %s, %s, %s", a.Do, Acknowledge, Unacknowledge, Resolve, Assign, AddNote, AddSilence, ExpireSilence)
	}
}

// checkIncident says what is wrong with an action on one incident.
func (a Action) checkIncident() error {
	switch {
	case a.Incident == "" || len(a.Incident) > maxBy:
		return errors.New("the incident must be named by its id")
	case a.Do == Assign && !PlainText(a.To, maxBy):
		return fmt.Errorf("to must be a name of at most %d bytes in one line", maxBy)
	case a.Do == AddNote && (strings.TrimSpace(a.Text) == "" || !PlainText(a.Text, maxNote)):
		return fmt.Errorf("a note is one line of at most %d bytes, and not empty", maxNote)
	}
	return nil
}

func (s *Silence) check() error {
	if !PlainText(s.Comment, maxComment) {
		return fmt.Errorf("the comment must be one line of at most %d bytes", maxComment)
	}
	if s.Until.IsZero() {
		return errors.New("the silence has no end")
	}
	if problems := checkMatch(s.Match); problems.Errors() {
		return problems
	}
	return nil
}

// PlainText reports whether s is one line of text of limit bytes at most.
func PlainText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
