package call

import (
	"math"
	"strings"
	"unicode/utf8"
)

// maxText bounds a text fact in bytes: identifiers, names and messages fit.
const maxText = 1 << 10

// Bound makes unknown what cannot be: numbers outside the range of their field, figures
// of intervals and turns that are no finite numbers, and the rest of texts longer than
// 1 KiB. Sources are not believed further.
func (e *Event) Bound() {
	table := fieldTable()
	for i := range table {
		f := &table[i]
		switch f.slot.form {
		case formText:
			text := at[string](f.slot, e)
			*text = boundText(*text)
		case formFloat:
			if n := at[*float64](f.slot, e); *n != nil && !f.possible(**n) {
				*n = nil
			}
		case formWhole:
			if n := at[*int64](f.slot, e); *n != nil && !f.possible(float64(**n)) {
				*n = nil
			}
		}
	}
	e.boundIntervals()
	e.boundTurns()
}

func (e *Event) boundIntervals() {
	members := Members()
	for i := range e.Intervals {
		for j := range members {
			if m := &members[j]; m.slot.form == formFloat {
				if n := at[*float64](m.slot, &e.Intervals[i]); *n != nil && !finite(**n) {
					*n = nil
				}
			}
		}
	}
}

// boundTurns also leaves out turns without a figure.
func (e *Event) boundTurns() {
	var kept []Turn
	for _, t := range e.Turns[:min(len(e.Turns), MaxTurns)] {
		for _, ms := range []**float64{&t.STTMs, &t.LLMMs, &t.TTSMs, &t.LatencyMs} {
			if *ms != nil && (!finite(**ms) || **ms < 0) {
				*ms = nil
			}
		}
		if t != (Turn{}) {
			kept = append(kept, t)
		}
	}
	e.Turns = kept
}

func finite(n float64) bool { return !math.IsNaN(n) && !math.IsInf(n, 0) }

func (f *Field) possible(n float64) bool {
	return finite(n) && (f.Min == nil || n >= *f.Min) && (f.Max == nil || n <= *f.Max)
}

// boundText cuts a text at a character's border.
func boundText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
