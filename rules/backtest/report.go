package backtest

import (
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// Report is what rules would have done over past events.
type Report struct {
	Events    int            `json:"events"` // handed in, duplicates included
	Calls     int            `json:"calls"`
	From      time.Time      `json:"from,omitzero"` // of the first event
	To        time.Time      `json:"to,omitzero"`   // of the last event or tick
	Matched   int            `json:"matched"`       // the sum over the rules, as are the next two
	Incidents int            `json:"incidents"`
	Messages  int            `json:"messages"` // in Slack, after cooldown, grouping and silence
	HeldBack  rules.HeldBack `json:"heldBack"` // by active hours, cooldown and silences

	Rules    []RuleReport `json:"rules"`              // in the order of the file, then those only the baseline has
	Baseline *Totals      `json:"baseline,omitempty"` // with a baseline: what it would have done
}

// Totals are the numbers of a baseline.
type Totals struct {
	Matched   int `json:"matched"`
	Incidents int `json:"incidents"`
	Messages  int `json:"messages"`
}

// RuleReport is what one rule would have done.
type RuleReport struct {
	Name      string         `json:"name"`
	Mode      rules.Mode     `json:"mode"`
	Removed   bool           `json:"removed,omitempty"` // only the baseline has it
	Windows   bool           `json:"windows,omitempty"` // it judges windows, in the baseline or here
	Matched   int            `json:"matched"`           // calls
	Judged    int            `json:"judged"`            // calls whose outcome is known, matched ones included
	Unjudged  int            `json:"unjudged"`          // calls whose outcome depends on an unknown field
	Incidents int            `json:"incidents"`
	Open      int            `json:"open"`     // incidents still open at the end
	Messages  int            `json:"messages"` // in Slack
	HeldBack  rules.HeldBack `json:"heldBack"`
	LastError string         `json:"lastError,omitempty"`

	BusiestHour  *Busy       `json:"busiestHour"` // null if nothing happened
	TopKeys      []KeyCount  `json:"topKeys"`     // most messages first, at most 10
	Calls        []CallMatch `json:"calls"`       // that matched, in order; of a rule over windows, its evidence
	CallsOmitted int         `json:"callsOmitted,omitempty"`

	// With a baseline: calls that newly match, and that no longer do; absent of a rule over
	// windows.
	Caught        []CallMatch `json:"caught,omitzero"`
	CaughtOmitted int         `json:"caughtOmitted,omitempty"`
	Missed        []CallMatch `json:"missed,omitzero"`
	MissedOmitted int         `json:"missedOmitted,omitempty"`
	Baseline      *Totals     `json:"baseline,omitempty"` // absent for a new rule
}

// Busy is one hour of stream time.
type Busy struct {
	Start    time.Time `json:"start"`
	Matched  int       `json:"matched"`
	Messages int       `json:"messages"`
}

// KeyCount is what happened to one key of a rule.
type KeyCount struct {
	By        []rules.Label `json:"by"`
	Matched   int           `json:"matched"`
	Incidents int           `json:"incidents"`
	Messages  int           `json:"messages"`
}

// CallMatch is one call that matched, and why.
type CallMatch struct {
	Provider string         `json:"provider"`
	Account  string         `json:"account,omitempty"`
	CallID   string         `json:"callId"`
	At       time.Time      `json:"at"`
	Severity rules.Severity `json:"severity,omitempty"`
	Held     []string       `json:"held"` // the conditions that held, with the values they met
}

// Source is the provider of the call, with its account where it has one.
func (m *CallMatch) Source() string { return call.Source(m.Provider, m.Account) }

// Report returns the report on the events so far.
func (b *Backtest) Report() Report {
	out := Report{Events: b.events, Calls: b.calls, From: b.from, To: b.to, Rules: []RuleReport{}}
	for _, h := range b.trial.engine.Healths() {
		r := b.trial.report(h)
		out.Matched += r.Matched
		out.Incidents += r.Incidents
		out.Messages += r.Messages
		out.HeldBack.Add(r.HeldBack)
		out.Rules = append(out.Rules, r)
	}
	if b.baseline != nil {
		b.compare(&out)
	}
	return out
}

func (t *trial) report(h rules.Health) RuleReport {
	y := t.tallies[h.Rule]
	r := RuleReport{
		Name: h.Rule, Mode: h.Mode, LastError: h.LastError,
		Matched: h.Counts.Matched, Judged: h.Counts.Judged, Unjudged: h.Counts.Unjudged,
		Incidents: y.incidents, Open: h.Open, Messages: y.messages, HeldBack: h.HeldBack,
		BusiestHour: y.busiest(), TopKeys: y.top(),
		Calls: append([]CallMatch{}, y.calls...), CallsOmitted: y.omitted, Windows: overWindows(t.set, h.Rule),
	}
	if r.Windows {
		r.CallsOmitted = max(r.Matched-len(r.Calls), 0)
	}
	return r
}

// compare adds what the baseline would have done.
func (b *Backtest) compare(out *Report) {
	out.Baseline = &Totals{}
	index := map[string]int{}
	for i, r := range out.Rules {
		index[r.Name] = i
	}
	for _, h := range b.baseline.engine.Healths() {
		y := b.baseline.tallies[h.Rule]
		was := Totals{Matched: h.Counts.Matched, Incidents: y.incidents, Messages: y.messages}
		out.Baseline.Matched += was.Matched
		out.Baseline.Incidents += was.Incidents
		out.Baseline.Messages += was.Messages
		i, have := index[h.Rule]
		if !have {
			i = len(out.Rules)
			out.Rules = append(out.Rules, RuleReport{
				Name: h.Rule, Mode: rules.Off, Removed: true, TopKeys: []KeyCount{}, Calls: []CallMatch{},
			})
		}
		out.Rules[i].Baseline = &was
	}
	for i := range out.Rules {
		r := &out.Rules[i]
		if r.Windows = r.Windows || overWindows(b.baseline.set, r.Name); r.Windows {
			continue
		}
		d := b.differences.of(r.Name)
		r.Caught, r.CaughtOmitted = d.caught.first(b.differences.limit)
		r.Missed, r.MissedOmitted = d.missed.first(b.differences.limit)
	}
}
