package rules

import "time"

// BacktestReport is what rules would have done over past events.
type BacktestReport struct {
	Events    int       `json:"events"` // handed in, duplicates included
	Calls     int       `json:"calls"`
	From      time.Time `json:"from,omitzero"` // of the first event
	To        time.Time `json:"to,omitzero"`   // up to which time has passed
	Matched   int       `json:"matched"`       // the sum over the rules, as are the next two
	Incidents int       `json:"incidents"`
	Messages  int       `json:"messages"` // in Slack, after cooldown, grouping and silence
	HeldBack  HeldBack  `json:"heldBack"` // by active hours, cooldown and silences

	Rules    []BacktestRule  `json:"rules"`              // in the order of the file, then those only the baseline has
	Baseline *BacktestTotals `json:"baseline,omitempty"` // with a baseline: what it would have done
}

// BacktestTotals are the numbers of a baseline.
type BacktestTotals struct {
	Matched   int `json:"matched"`
	Incidents int `json:"incidents"`
	Messages  int `json:"messages"`
}

// BacktestRule is what one rule would have done.
type BacktestRule struct {
	Name      string   `json:"name"`
	Mode      Mode     `json:"mode"`
	Removed   bool     `json:"removed,omitempty"` // only the baseline has it
	Matched   int      `json:"matched"`           // calls
	Judged    int      `json:"judged"`            // calls whose outcome is known, matched ones included
	Unjudged  int      `json:"unjudged"`          // calls whose outcome depends on an unknown field
	Incidents int      `json:"incidents"`
	Open      int      `json:"open"`     // incidents still open at the end
	Messages  int      `json:"messages"` // in Slack
	HeldBack  HeldBack `json:"heldBack"`
	LastError string   `json:"lastError,omitempty"`

	BusiestHour  *Busy       `json:"busiestHour"` // null where nothing happened
	TopKeys      []KeyCount  `json:"topKeys"`     // most messages first, at most 10
	Calls        []CallMatch `json:"calls"`       // that matched, in order; of a rule over windows, its evidence
	CallsOmitted int         `json:"callsOmitted,omitempty"`

	// With a baseline: calls that newly match, and that no longer do.
	Caught        []CallMatch     `json:"caught,omitzero"`
	CaughtOmitted int             `json:"caughtOmitted,omitempty"`
	Missed        []CallMatch     `json:"missed,omitzero"`
	MissedOmitted int             `json:"missedOmitted,omitempty"`
	Baseline      *BacktestTotals `json:"baseline,omitempty"` // absent of a new rule
}

// Busy is one hour of stream time.
type Busy struct {
	Start    time.Time `json:"start"`
	Matched  int       `json:"matched"`
	Messages int       `json:"messages"`
}

// KeyCount is what happened to one key of a rule.
type KeyCount struct {
	By        []Label `json:"by"`
	Matched   int     `json:"matched"`
	Incidents int     `json:"incidents"`
	Messages  int     `json:"messages"`
}

// CallMatch is one call that matched, and why.
type CallMatch struct {
	Provider string    `json:"provider"`
	CallID   string    `json:"callId"`
	At       time.Time `json:"at"`
	Severity Severity  `json:"severity,omitempty"`
	Held     []string  `json:"held"` // the conditions that held, with the values they met
}

// Report is what has come of the events so far.
func (b *Backtest) Report() BacktestReport {
	out := BacktestReport{Events: b.events, Calls: b.calls, From: b.from, To: b.to, Rules: []BacktestRule{}}
	for _, h := range b.trial.engine.Healths() {
		r := b.trial.report(h)
		out.Matched += r.Matched
		out.Incidents += r.Incidents
		out.Messages += r.Messages
		out.HeldBack.add(r.HeldBack)
		out.Rules = append(out.Rules, r)
	}
	if b.baseline != nil {
		b.compare(&out)
	}
	return out
}

func (t *trial) report(h Health) BacktestRule {
	y := t.tallies[h.Rule]
	return BacktestRule{
		Name: h.Rule, Mode: h.Mode, LastError: h.LastError,
		Matched: h.Counts.Matched, Judged: h.Counts.Judged, Unjudged: h.Counts.Unjudged,
		Incidents: y.incidents, Open: h.Open, Messages: y.messages, HeldBack: h.HeldBack,
		BusiestHour: y.busiest(), TopKeys: y.top(),
		Calls: append([]CallMatch{}, y.calls...), CallsOmitted: y.omitted,
	}
}

// compare adds what the baseline would have done.
func (b *Backtest) compare(out *BacktestReport) {
	out.Baseline = &BacktestTotals{}
	place := map[string]int{}
	for i, r := range out.Rules {
		place[r.Name] = i
	}
	for _, h := range b.baseline.engine.Healths() {
		y := b.baseline.tallies[h.Rule]
		was := BacktestTotals{Matched: h.Counts.Matched, Incidents: y.incidents, Messages: y.messages}
		out.Baseline.Matched += was.Matched
		out.Baseline.Incidents += was.Incidents
		out.Baseline.Messages += was.Messages
		i, have := place[h.Rule]
		if !have {
			i = len(out.Rules)
			out.Rules = append(out.Rules, BacktestRule{
				Name: h.Rule, Mode: Off, Removed: true, TopKeys: []KeyCount{}, Calls: []CallMatch{},
			})
		}
		out.Rules[i].Baseline = &was
	}
	for i := range out.Rules {
		r := &out.Rules[i]
		d := b.differences.of(r.Name)
		r.Caught, r.CaughtOmitted = d.caught.first(b.differences.limit)
		r.Missed, r.MissedOmitted = d.missed.first(b.differences.limit)
	}
}
