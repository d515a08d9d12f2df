package call

import "slices"

// Prefer decides which MOS a call shows where several are known.
type Prefer string

const (
	PreferProvider Prefer = "provider" // the provider's, else the estimate
	PreferEstimate Prefer = "estimate" // the estimate, else the provider's
	PreferWorst    Prefer = "worst"    // the lowest known
)

// Score is a MOS with what belongs to it.
type Score struct {
	Source    string   `json:"source"` // as in mosSource
	MOS       float64  `json:"mos"`
	Scope     string   `json:"scope,omitempty"`
	Grounding string   `json:"grounding,omitempty"`
	Missing   []string `json:"missing,omitempty"`
	Stamp     stamp    `json:"stamp"`
}

// foldMOS keeps the latest score of each source and shows the preferred one:
// score, source, scope, grounding and what was missing always belong together.
// Where all intervals were rated, the event's own estimate is of no use beside it.
func (c *Call) foldMOS(e *Event, st stamp, prefer Prefer, rated bool) bool {
	if !rated || e.MOSSource == FromProvider {
		c.foldScore(e, st)
	}
	if len(c.Scores) == 0 {
		if c.MOS == nil && len(e.MOSMissing) > 0 {
			c.MOSMissing = e.MOSMissing
		}
		changed := c.MOS != nil
		c.MOS, c.MOSSource, c.MOSScope, c.MOSGrounding = nil, "", "", ""
		return changed
	}
	won := prefer.choose(c.Scores)
	changed := c.MOS == nil || *c.MOS != won.MOS || c.MOSSource != won.Source
	c.MOS, c.MOSSource = new(won.MOS), won.Source
	c.MOSScope, c.MOSGrounding, c.MOSMissing = won.Scope, won.Grounding, won.Missing
	return changed
}

func (c *Call) foldScore(e *Event, st stamp) {
	if e.MOS == nil {
		return
	}
	have := scoreOf(c.Scores, e.MOSSource)
	if have != nil && st.older(have.Stamp, rank) {
		return
	}
	mos := *e.MOS
	if e.MOSSource == Estimated && c.MOSEstimate != nil {
		mos = *c.MOSEstimate // of all intervals, not of this event's alone
	}
	score := Score{e.MOSSource, mos, e.MOSScope, e.MOSGrounding, e.MOSMissing, st}
	if have != nil {
		*have = score
	} else {
		c.Scores = append(c.Scores, score)
	}
}

// scoreOf is the score of a source; nil for none.
func scoreOf(scores []Score, source string) *Score {
	i := slices.IndexFunc(scores, func(s Score) bool { return s.Source == source })
	if i < 0 {
		return nil
	}
	return &scores[i]
}

// choose is the score that is shown. There is at least one.
func (p Prefer) choose(scores []Score) *Score {
	order := [...]string{FromProvider, Estimated, NoMedia}
	if p == PreferEstimate {
		order = [...]string{Estimated, NoMedia, FromProvider}
	}
	var won *Score
	for _, source := range order {
		if s := scoreOf(scores, source); s != nil && (won == nil || p == PreferWorst && s.MOS < won.MOS) {
			won = s
		}
	}
	if won == nil {
		return &scores[0]
	}
	return won
}
