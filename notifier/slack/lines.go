package slack

import (
	"callwatch/notifier"
	"callwatch/rules"
)

// said is the thread line of what a person did, of a silence or of a reminder.
func (w *writer) said(l *notifier.Line) message {
	var icon, text, more markup
	in := &l.Incident
	switch l.Step {
	case rules.StepAcknowledged:
		icon, text = ":eyes:", acknowledgedLine(in)
	case rules.StepUnacknowledged:
		icon, text, more = ":leftwards_arrow_with_hook:", joined(" ", "No longer acknowledged", when(l.At)), w.text(l.Reason, in.Numbers(), 300)
	case rules.StepAssigned:
		icon, text = ":bust_in_silhouette:", assignedLine(in)
		if in.Assigned == nil {
			text, more = joined(" ", "Assigned to nobody", when(l.At)), w.text(l.Reason, in.Numbers(), 300)
		}
	case rules.StepNoted:
		icon, text = ":memo:", "Note"
		if n := in.LatestNote(); n != nil {
			text, more = joined(" ", "Note by "+person(n.By), when(n.At)), w.text(n.Text, in.Numbers(), 600)
		}
	case rules.StepSilenced:
		icon, text = ":no_bell:", w.silencedLine(in)
	case rules.StepUnsilenced:
		icon, text = ":bell:", joined(" ", "Silence ended", when(l.At))
		more = joined(": ", "Still firing", soFar(in))
	case rules.StepReminded:
		icon, text = ":alarm_clock:", joined(" ", "Still open", when(l.At))
		if !in.OpenedAt.IsZero() && l.At.After(in.OpenedAt) {
			text += ", for " + lasting(l.At.Sub(in.OpenedAt))
		}
		more = joined(". ", inSentence(w.extent(in)), w.valueLine(in), "Not acknowledged")
	}
	return message{
		Text:   sentence(w.headline(in, 500)+":", inSentence(text)+".", more),
		Blocks: section("line", lines(limitSection, icon+" *"+text+"*", more)),
	}
}

func acknowledgedLine(in *rules.Incident) markup {
	if in.Acknowledged == nil {
		return "Acknowledged"
	}
	return joined(" ", "Acknowledged by "+person(in.Acknowledged.By), when(in.Acknowledged.At))
}

func assignedLine(in *rules.Incident) markup {
	a := in.Assigned
	if a == nil {
		return "Assigned to nobody"
	}
	text := "Assigned to " + person(a.To)
	if a.By != a.To {
		text += " by " + person(a.By)
	}
	return joined(" ", text, when(a.At))
}

func person(name string) markup {
	if p := escaped(name, 80); p != "" {
		return p
	}
	return "someone"
}

func (w *writer) silencedLine(in *rules.Incident) markup {
	s := in.Silence
	if s == nil {
		return "Silenced"
	}
	text := joined(" ", "Silenced until", when(s.Until))
	if s.By != "" {
		text += " by " + person(s.By)
	}
	if s.Comment != "" {
		text += ": " + w.text(s.Comment, in.Numbers(), 300)
	}
	return text
}

// adopted lists the incidents that became part of this one.
func (w *writer) adopted(l *notifier.Line) message {
	part := l.Incident.Adopted[min(l.From, len(l.Incident.Adopted)):min(l.To, len(l.Incident.Adopted))]
	head := count(len(part), "incident") + " joined this thread"
	var ls []markup
	for _, a := range part {
		ls = append(ls, joined("  ·  ", "• "+w.text(a.Summary, l.Incident.Numbers(), 200), escaped(a.Rule, 60), when(a.OpenedAt), code(a.ID, 60)))
	}
	return message{
		Text:   sentence(w.headline(&l.Incident, 500)+":", head),
		Blocks: section("adopted", lines(limitSection, append([]markup{":link: *" + head + "*"}, ls...)...)),
	}
}

// standing shows acknowledgement, assignment, silence, parent and adopted incidents.
func (w *writer) standing(in *rules.Incident) markup {
	var ls []markup
	if in.Parent != "" {
		ls = append(ls, ":link: Part of incident "+code(in.Parent, 60)+": follow its thread")
	}
	if in.State == rules.Firing && in.Silence != nil {
		ls = append(ls, ":no_bell: "+w.silencedLine(in))
	}
	if in.Acknowledged != nil {
		ls = append(ls, ":eyes: "+acknowledgedLine(in))
	}
	if in.Assigned != nil {
		ls = append(ls, ":bust_in_silhouette: "+assignedLine(in))
	}
	if n := len(in.Adopted); n > 0 {
		ls = append(ls, ":link: Includes "+count(n, "other incident")+": see the thread")
	}
	return lines(limitSection, ls...)
}
