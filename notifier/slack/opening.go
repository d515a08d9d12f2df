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
// opening and the first calls, a line each. What the root says, that it opened, when
// and how severe it is, is said again only where it is no longer so.
func (w *writer) opening(in *rules.Incident) message {
	var head, value markup
	if was := notifier.OpeningSeverity(in); was != in.Severity {
		head = joined(" ", "Opened", when(in.OpenedAt)) + " as " + inSentence(severityName(was))
	}
	if v := in.Values; v != nil {
		value = "At the opening " + code(v.Name, 120) + " was " + joined("; ", plain(v.OpeningText()), plain(v.OpeningMeasure.Coverage()))
	}
	samples, calls := w.samples(in)
	if head == "" && value == "" && samples == "" {
		head = joined(" ", "Opened", when(in.OpenedAt)) // nothing else is known
	}
	body := section("opening", lines(limitSection, bold(head), value))
	body = append(body, section("samples", samples)...)
	return message{
		Text:        sentence(stop(head), stop(value), stop(calls)),
		Blocks:      w.table(in),
		Attachments: bar(openingColor(in), body...),
	}
}

func bold(m markup) markup {
	if m == "" {
		return ""
	}
	return "*" + m + "*"
}

// openingColor is that of the severity it opened with.
func openingColor(in *rules.Incident) string {
	return color(&rules.Incident{State: rules.Firing, Severity: notifier.OpeningSeverity(in)})
}

// samples are up to five calls, the opening one first, and the same in a sentence.
func (w *writer) samples(in *rules.Incident) (list, said markup) {
	var ls []markup
	seen := map[call.Key]bool{}
	for _, s := range append([]rules.Evidence{in.Opening}, in.Samples...) {
		if s.Call.CallID == "" || seen[s.Call.Key()] || len(ls) == maxSamples {
			continue
		}
		seen[s.Call.Key()] = true
		if len(ls) == 0 {
			said = joined(", ", "Opened by call "+code(w.callID(&s.Call), maxValue), w.because(&s))
		}
		ls = append(ls, joined("  ·  ", "• "+w.callName(&s.Call), w.callLine(&s.Call), w.because(&s)))
	}
	switch {
	case len(ls) == 0:
		return "", ""
	case len(ls) == 1 && in.Values == nil:
		return lines(limitSection, "*Opened by this call*", ls[0]), said
	case in.Values != nil:
		said = count(len(ls), "sample call")
	}
	return lines(limitSection, append([]markup{"*Sample calls*"}, ls...)...), said
}

// callName is the id of a call as it is shown, linked to its page where there is a console.
func (w *writer) callName(e *call.Event) markup {
	if address := w.callURL(e); address != "" {
		return link(address, escaped(strings.ReplaceAll(w.callID(e), "|", "¦"), maxValue))
	}
	return code(w.callID(e), maxValue)
}

// escalated is the thread line of a rise in severity. The channel shows it too:
// readers may have ignored the incident at its lower severity.
func (w *writer) escalated(in *rules.Incident, to rules.Severity, at time.Time, reason string) message {
	head := joined(" ", "Escalated to "+inSentence(severityName(to)), when(at))
	why := w.text(reason, in.Numbers(), 500)
	if why == "" {
		why = w.because(worstOf(in))
	}
	line := joined("; ", joined(": ", "*"+head+"*", why), soFar(in))
	called := mentions(in)
	return message{
		Text:      sentence(called, w.headline(in, 500)+":", joined(": ", inSentence(head), why)+".", sentenceCase(soFar(in))),
		Blocks:    section("line", joined(" ", ":arrow_up: "+line, called)),
		Broadcast: true,
	}
}

// resolved is the thread line that ends an incident.
func (w *writer) resolved(in *rules.Incident) message {
	ended := w.endedLine(in)
	return message{
		Text:   sentence(w.headline(in, 500)+":", inSentence(w.resolvedLine(in))+".", stop(w.valueLine(in)), ended),
		Blocks: section("line", lines(limitSection, icon(in)+" *"+w.resolvedLine(in)+"*", w.valueLine(in), ended)),
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
