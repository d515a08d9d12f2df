package slack

import (
	"strings"
	"time"

	"callwatch/call"
	"callwatch/notifier"
	"callwatch/rules"
)

const maxSamples = 5

// opening is the first reply. The root changes; the reply keeps the value at
// opening and sample calls, a line each.
func (w *writer) opening(in *rules.Incident) message {
	head := joined(" ", "Opened", when(in.OpenedAt)) + " as " + inSentence(severityName(notifier.OpeningSeverity(in)))
	var value markup
	if v := in.Values; v != nil {
		value = code(v.Name, 120) + " was " + joined("; ", plain(v.OpeningText()), plain(v.OpeningMeasure.Coverage()))
	}
	body := section("opening", lines(limitSection, "*"+head+"*", value))
	body = append(body, section("samples", w.samples(in))...)
	return message{
		Text:        sentence(joined(": ", head, w.because(&in.Opening))),
		Blocks:      w.table(in),
		Attachments: bar(openingColor(in), body...),
	}
}

// openingColor is that of the severity it opened with.
func openingColor(in *rules.Incident) string {
	return color(&rules.Incident{State: rules.Firing, Severity: notifier.OpeningSeverity(in)})
}

// samples are up to five calls, the opening one first.
func (w *writer) samples(in *rules.Incident) markup {
	var ls []markup
	seen := map[call.Key]bool{}
	for _, s := range append([]rules.Evidence{in.Opening}, in.Samples...) {
		if s.Call.CallID == "" || seen[s.Call.Key()] || len(ls) == maxSamples {
			continue
		}
		seen[s.Call.Key()] = true
		ls = append(ls, joined("  ·  ", "• "+w.callName(&s.Call), w.callLine(&s.Call), w.because(&s)))
	}
	switch len(ls) {
	case 0:
		return ""
	case 1:
		return lines(limitSection, "*Sample call*", ls[0])
	}
	return lines(limitSection, append([]markup{"*Sample calls*"}, ls...)...)
}

// callName is the id of a call, linked to its page where there is a console.
func (w *writer) callName(e *call.Event) markup {
	if address := w.callURL(e); address != "" {
		return link(address, escaped(strings.ReplaceAll(e.CallID, "|", "¦"), maxValue))
	}
	return code(e.CallID, maxValue)
}

// escalated is the thread line of a rise in severity. The channel shows it too:
// readers may have ignored the incident at its lower severity.
func (w *writer) escalated(in *rules.Incident, to rules.Severity, at time.Time, reason string) message {
	head := joined(" ", "Escalated to "+inSentence(severityName(to)), when(at))
	why := w.text(reason, &in.Latest.Call, 500)
	if why == "" {
		why = w.because(worstOf(in))
	}
	line := joined("; ", joined(": ", "*"+head+"*", why), calls(in)+" so far")
	return message{
		Text:      sentence(w.headline(in, 500)+":", joined(": ", inSentence(head), why)+".", calls(in)+" so far"),
		Blocks:    section("line", ":arrow_up: "+line),
		Broadcast: true,
	}
}

// resolved is the thread line that ends an incident.
func (w *writer) resolved(in *rules.Incident) message {
	good := w.goodLine(in)
	return message{
		Text:   sentence(w.headline(in, 500)+":", inSentence(w.resolvedLine(in))+".", stop(w.valueLine(in)), good),
		Blocks: section("line", lines(limitSection, ":white_check_mark: *"+w.resolvedLine(in)+"*", w.valueLine(in), good)),
	}
}

// trial is the message of `notify test`.
func (w *writer) trial(at time.Time) message {
	const text = "Test message from callwatch: alerts reach this channel. No action needed"
	return message{
		Text:   text + ".",
		Blocks: section("line", ":test_tube: "+text+joined(" ", ".", when(at))),
	}
}
