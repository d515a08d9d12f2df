package backend

import (
	"fmt"
	"time"

	"callwatch/rules"
)

// RulesFile is where the rules in force come from, a file or a folder, and what is
// wrong with what is there now.
type RulesFile struct {
	Path     string         `json:"path"`
	Digest   string         `json:"digest"` // of the content in force
	Sources  []rules.Source `json:"-"`      // the content in force; pages show rules from it
	Rules    int            `json:"rules"`
	LoadedAt time.Time      `json:"loadedAt"`
	Pending  bool           `json:"pending,omitempty"`  // a newer content is taken in with the next event
	Error    string         `json:"error,omitempty"`    // the file cannot be read: the rules in force stay
	Problems rules.Problems `json:"problems,omitempty"` // with an error among them the rules in force stay
}

// Refused says whether the file's present content is not in force because of
// what is wrong with it.
func (f RulesFile) Refused() bool { return f.Error != "" || f.Problems.Errors() }

// Trouble is why the file's present content is not in force, in one line without
// what is in it; "" when it is.
func (f RulesFile) Trouble() string {
	switch {
	case !f.Refused():
		return ""
	case f.Error != "":
		return f.Error + "; the rules in force stay"
	}
	errs := 0
	for _, p := range f.Problems {
		if p.IsError() {
			errs++
		}
	}
	if errs == 1 {
		return "the rules file has 1 error; the rules in force stay"
	}
	return fmt.Sprintf("the rules file has %d errors; the rules in force stay", errs)
}

// Progress is how far judging has come.
type Progress struct {
	Sequence uint64 `json:"sequence"` // in the event stream
	Calls    int    `json:"calls"`    // that are kept
}
