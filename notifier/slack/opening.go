package slack

import (
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/rules"
)

const maxSamples = 5

// opening is the first reply: the values at opening, kept as they were while
// the root changes, and the sample calls of that moment.
func (w *writer) opening(in *rules.Incident) message {
	because := w.because(&in.Opening)
	if because != "" {
		because = ": " + because
	}
	name := joined(" ", "Opened", when(in.OpenedAt))
	var body []slack.Block
	if v := in.Values; v != nil {
		body = section("opening", "*"+name+":* "+code(v.Name, 120)+" was "+joined("; ", plain(v.OpeningText()), plain(v.OpeningMeasure.Coverage())))
	}
	body = append(body, w.evidence(name+" by this call", &in.Opening, &in.Opening.Call, in.Show)...)
	body = append(body, section("samples", w.samples(in))...)
	if len(body) == 0 {
		body = section("opening", "*"+name+"*")
	}
	if in.Opening.Call.CallID != "" {
		name += " by this call"
	}
	return message{
		Text:        sentence(name + because),
		Blocks:      w.table(in),
		Attachments: bar(openingColor(in), body...),
	}
}

// openingColor is that of the severity it opened with.
func openingColor(in *rules.Incident) string {
	return color(&rules.Incident{State: rules.Firing, Severity: notifier.OpeningSeverity(in)})
}

// samples are the other calls, a line each.
func (w *writer) samples(in *rules.Incident) markup {
	var ls []markup
	for i := range in.Samples {
		s := &in.Samples[i]
		if s.Call.Key() == in.Opening.Call.Key() || len(ls) == maxSamples {
			continue
		}
		ls = append(ls, joined("  ·  ", "• "+w.callLine(&s.Call), w.because(s), code(s.Call.CallID, maxValue)))
	}
	if len(ls) == 0 {
		return ""
	}
	return lines(limitSection, append([]markup{"*Other calls*"}, ls...)...)
}

// escalated is the thread line of a rise in severity. It is the only reply that
// the channel sees too: who judged a warning to be bearable must learn of it.
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
	const text = "Test message from callwatch: alerts reach this channel. Nothing is wrong, nobody needs to act"
	return message{
		Text:   text + ".",
		Blocks: section("line", ":test_tube: "+text+joined(" ", ".", when(at))),
	}
}
