package chart

import (
	"math"

	"callwatch/call"
	"callwatch/handlers/wording"
)

// stage is a step of an agent's answer, as it is named and drawn.
type stage struct {
	Name, Class string
	ms          *float64 // nil where it is unknown
}

// stagesIn are the steps of a turn, known or not.
func stagesIn(t call.Turn) []stage {
	all := []stage{{"Speech to text", "stt", t.STTMs}, {"Language model", "llm", t.LLMMs}, {"Text to speech", "tts", t.TTSMs}}
	for i := range all {
		if ms := all[i].ms; ms != nil && *ms < 0 {
			all[i].ms = nil
		}
	}
	return all
}

// lengthOf is how long the steps of a turn took in all, and the turn: as measured, but
// not less than its steps.
func lengthOf(t call.Turn) (steps, turn float64) {
	for _, s := range stagesIn(t) {
		if s.ms != nil {
			steps += *s.ms
		}
	}
	if turn = steps; t.LatencyMs != nil {
		turn = max(turn, *t.LatencyMs)
	}
	return steps, turn
}

func milliseconds(v float64) string { return wording.Decimals(&v, 0, " ms") }

// Stages is how long the steps of an agent's answer take on the whole, stacked.
type Stages struct {
	Stages []stageView
	Total  string // of the steps
	Turn   string // measured from the caller's last word to the agent's first; "" if unknown
}

// stageView is one step, in permille of the longer of steps and turn.
type stageView struct {
	stage
	Value    string
	X, Width int
}

// StagesOf stacks the mean latencies of an agent's steps; nil where fewer than two are
// known.
func StagesOf(e *call.Event) *Stages {
	mean := call.Turn{STTMs: e.STTLatencyMs, LLMMs: e.LLMLatencyMs, TTSMs: e.TTSLatencyMs, LatencyMs: e.TurnLatencyMs}
	steps, turn := lengthOf(mean)
	v := &Stages{Total: milliseconds(steps)}
	if mean.LatencyMs != nil {
		v.Turn = milliseconds(*mean.LatencyMs)
	}
	before := 0.0
	for _, s := range stagesIn(mean) {
		if s.ms == nil || turn <= 0 {
			continue
		}
		x, end := int(1000*before/turn), int(1000*(before+*s.ms)/turn)
		v.Stages = append(v.Stages, stageView{s, milliseconds(*s.ms), x, end - x})
		before += *s.ms
	}
	if len(v.Stages) < 2 {
		return nil
	}
	return v
}

// Turns are the turns of an agent's call as stacked bars.
type Turns struct {
	Bars    []turnBar
	Most    string  // the longest turn
	Width   int     // of the drawing
	Omitted int     // turns after the last one that is drawn
	Stages  []stage // what the parts are, where there are several
}

// turnBar is one turn: its parts from the bottom up, and its figures as text.
type turnBar struct {
	Number int
	Parts  []barPart
	Total  string
	Each   []string // of stagesIn; "" where unknown
}

// barPart is a part of a bar in a drawing of turnHeight.
type barPart struct {
	Class        string
	X, Y, Height int
}

const (
	turnHeight = 120
	turnStep   = 20
	maxTurns   = 120
)

// TurnsOf draws each turn of an agent; nil where no turn is known. What of a turn is in
// no known step is drawn as the rest.
func TurnsOf(e *call.Event) *Turns {
	v := &Turns{Omitted: max(0, len(e.Turns)-maxTurns)}
	shown := e.Turns[:len(e.Turns)-v.Omitted]
	longest := 0.0
	for _, t := range shown {
		_, turn := lengthOf(t)
		longest = max(longest, turn)
	}
	if longest <= 0 || math.IsInf(longest, 0) {
		return nil
	}
	used := map[string]bool{}
	for i, t := range shown {
		steps, turn := lengthOf(t)
		bar := turnBar{Number: i + 1, Total: milliseconds(turn)}
		before := 0.0
		part := func(class string, ms float64) {
			low, high := int(turnHeight*before/longest), int(turnHeight*(before+ms)/longest)
			if before += ms; high > low {
				bar.Parts = append(bar.Parts, barPart{class, turnStep * i, turnHeight - high, high - low})
				used[class] = true
			}
		}
		for _, s := range stagesIn(t) {
			text := ""
			if s.ms != nil {
				part(s.Class, *s.ms)
				text = milliseconds(*s.ms)
			}
			bar.Each = append(bar.Each, text)
		}
		part("rest", turn-steps)
		v.Bars = append(v.Bars, bar)
	}
	for _, s := range append(stagesIn(call.Turn{}), stage{Name: "The rest", Class: "rest"}) {
		if used[s.Class] {
			v.Stages = append(v.Stages, s)
		}
	}
	if len(v.Stages) == 1 {
		v.Stages = nil // nothing to tell apart
	}
	v.Width, v.Most = turnStep*len(shown), milliseconds(longest)
	return v
}
