package slack

import "callwatch/rules"

// Plain renders parts of an incident for receivers that read no markup.
type Plain struct{ w *writer }

// NewPlain returns the renderer of plain text.
func NewPlain(c Config) Plain { return Plain{c.writer()} }

// Summary is the incident's headline.
func (p Plain) Summary(in *rules.Incident) string { return plainText(p.w.headline(in, 500)) }

// Description says how many calls matched, if any, why, and that it flaps.
func (p Plain) Description(in *rules.Incident) string {
	return plainText(joined(". ", tally(in), p.w.because(worstOf(in)), flaps(in)))
}

// Value is a value of the incident's key.
func (p Plain) Value(in *rules.Incident, value string) string {
	return plainText(p.w.text(value, in.Numbers(), 200))
}

// Person is the name of a person.
func (p Plain) Person(name string) string { return plainText(person(name)) }

// IncidentURL is the incident's page in the console, "" where there is none.
func (p Plain) IncidentURL(in *rules.Incident) string { return p.w.incidentURL(in) }
