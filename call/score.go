package call

// Prefer decides which MOS a call shows where several are known.
type Prefer string

const (
	PreferProvider Prefer = "provider" // the provider's, else the estimate
	PreferEstimate Prefer = "estimate" // the estimate, else the provider's
	PreferWorst    Prefer = "worst"    // the lowest known
)

// Score is a MOS with what belongs to it.
type Score struct {
	MOS       float64  `json:"mos"`
	Scope     string   `json:"scope,omitempty"`
	Grounding string   `json:"grounding,omitempty"`
	Missing   []string `json:"missing,omitempty"`
	Stamp     stamp    `json:"stamp"`
}

// foldMOS keeps the latest score of each source and shows the preferred one:
// score, source, scope, grounding and what was missing always belong together.
func (c *Call) foldMOS(e *Event, st stamp, prefer Prefer) bool {
	if e.MOS == nil {
		if c.MOS == nil && len(e.MOSMissing) > 0 {
			c.MOSMissing = e.MOSMissing
		}
		return false
	}
	if have, ok := c.Scores[e.MOSSource]; ok && st.older(have.Stamp, rank) {
		return false
	}
	if c.Scores == nil {
		c.Scores = map[string]Score{}
	}
	mos := *e.MOS
	if e.MOSSource == Estimated && c.MOSEstimate != nil {
		mos = *c.MOSEstimate // of all intervals, not of this event's alone
	}
	c.Scores[e.MOSSource] = Score{mos, e.MOSScope, e.MOSGrounding, e.MOSMissing, st}
	source := prefer.choose(c.Scores)
	won := c.Scores[source]
	changed := c.MOS == nil || *c.MOS != won.MOS || c.MOSSource != source
	c.MOS, c.MOSSource = &won.MOS, source
	c.MOSScope, c.MOSGrounding, c.MOSMissing = won.Scope, won.Grounding, won.Missing
	return changed
}

// choose is the source whose score is shown. There is at least one.
func (p Prefer) choose(scores map[string]Score) string {
	order := []string{FromProvider, Estimated, NoMedia}
	if p == PreferEstimate {
		order = []string{Estimated, NoMedia, FromProvider}
	}
	won := ""
	for _, source := range order {
		s, ok := scores[source]
		if ok && (won == "" || p == PreferWorst && s.MOS < scores[won].MOS) {
			won = source
		}
	}
	return won
}
