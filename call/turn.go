package call

// MaxTurns is how many turns of a call are kept, the first ones.
const MaxTurns = 500

// Turn is one answer of a voice agent: how long its stages took, in ms, 0 or more.
// What was not measured is absent.
type Turn struct {
	STTMs *float64 `json:"sttMs,omitempty"` // speech to text
	LLMMs *float64 `json:"llmMs,omitempty"` // language model
	TTSMs *float64 `json:"ttsMs,omitempty"` // text to speech
	// LatencyMs is from the end of the user's speech to the agent's first audio.
	LatencyMs *float64 `json:"latencyMs,omitempty"`
}

// foldTurns keeps the longest list of turns that an event brought, of equally long ones
// the latest: a report has all turns so far.
func (c *Call) foldTurns(e *Event, older bool) bool {
	if len(e.Turns) == 0 || len(e.Turns) < len(c.Turns) || len(e.Turns) == len(c.Turns) && older {
		return false
	}
	c.Turns = e.Turns[:min(len(e.Turns), MaxTurns)]
	return true
}
