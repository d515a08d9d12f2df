package rules

import (
	"slices"
	"time"
)

const (
	maxNotes = 20  // of an incident
	maxNote  = 500 // bytes
)

// Assignment says whose an incident is.
type Assignment struct {
	To string    `json:"to"` // as the person is called
	By string    `json:"by"` // who said so
	At time.Time `json:"at"`
}

// Note is what a person said about an incident.
type Note struct {
	Text string    `json:"text"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// Assign makes the incident somebody's, or nobody's; false where it is already.
func (i *Incident) Assign(to, by string, at time.Time) bool {
	was := ""
	if i.Assigned != nil {
		was = i.Assigned.To
	}
	if was == to {
		return false
	}
	if i.Assigned = nil; to != "" {
		i.Assigned = &Assignment{to, by, at}
	}
	return true
}

// Note adds what a person says, and drops the oldest note where there are too many. It
// is false where the same person said the same last.
func (i *Incident) Note(text, by string, at time.Time) bool {
	if n := len(i.Notes); n > 0 && i.Notes[n-1].Text == text && i.Notes[n-1].By == by {
		return false
	}
	i.Notes = append(slices.Clone(i.Notes), Note{text, by, at}) // other transitions have the list as it was
	if n := len(i.Notes); n > maxNotes {
		i.Notes = i.Notes[n-maxNotes:]
	}
	return true
}

// LatestNote is what was said last; nil for nothing.
func (i *Incident) LatestNote() *Note {
	if len(i.Notes) == 0 {
		return nil
	}
	return &i.Notes[len(i.Notes)-1]
}
