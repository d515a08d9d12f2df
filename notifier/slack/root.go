package slack

import (
	"slices"
	"strings"
	"unicode"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/rules"
)

// root is the message in the channel: state and severity at a glance, how many
// calls since when, the worst of them and why it matched, what to do.
func (w *writer) root(in *rules.Incident) message {
	lead := icon(in) + " " + state(in) + ": "
	m := message{
		Text:   w.rootText(in),
		Blocks: append([]slack.Block{header(lead + w.headline(in, limitHeader-length(lead)))}, chart(in)...),
	}
	var body []slack.Block
	if in.State == rules.Resolved {
		body = section("extent", lines(limitSection, w.resolvedLine(in), w.valueLine(in), w.endedLine(in)))
	} else {
		body = section("extent", lines(limitSection, mentions(in), w.extent(in), w.valueLine(in), flaps(in)))
	}
	body = append(body, section("standing", w.standing(in))...)
	body = append(body, w.evidence(in)...)
	body = append(body, section("next", w.next(in))...)
	body = append(body, w.actions(in)...)
	body = append(body, small("footer", w.footer(in)))
	m.Attachments = bar(color(in), body...)
	return m
}

func (w *writer) rootText(in *rules.Incident) string {
	name := state(in) + ": " + w.headline(in, 500) + "."
	switch {
	case in.Closed:
		return sentence(name, w.resolvedLine(in)+".", w.endedLine(in))
	case in.State == rules.Resolved:
		return sentence(name, w.resolvedLine(in))
	}
	because := w.because(worstOf(in))
	switch {
	case because == "":
	case in.Counts.Matched > 1 && ofCalls(in):
		because = "Worst call: " + because + "."
	default:
		because = whyItMatched(in) + " " + because + "."
	}
	return sentence(mentions(in), name, w.extent(in)+".", stop(w.valueLine(in)), because, stop(flaps(in)))
}

// stop ends a part of a sentence, if there is one.
func stop(m markup) markup {
	if m == "" {
		return ""
	}
	return m + "."
}

const maxGood = 4

// fieldsOf are the words in the conditions that may name fields, each once. Of a new
// value there are none: a call in which it is known by now is not better.
func fieldsOf(cs []rules.Condition) []string {
	var names []string
	for _, c := range cs {
		if strings.HasPrefix(c.Expr, "new ") {
			continue
		}
		words := strings.FieldsFunc(c.Expr, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, word := range words {
			if !slices.Contains(names, word) {
				names = append(names, word)
			}
		}
	}
	return names
}

// worstCall is the call whose facts are shown: of a rule over windows the worst of
// the samples, since a window is no call.
func worstCall(in *rules.Incident) *call.Event {
	if in.Values != nil && len(in.Samples) > 0 {
		return &in.Samples[0].Call
	}
	return &worstOf(in).Call
}

// worstOf is the call to show: the worst where one is kept, else the opening one.
func worstOf(in *rules.Incident) *rules.Evidence {
	if in.Worst.Call.CallID == "" && len(in.Worst.Conditions) == 0 {
		return &in.Opening
	}
	return &in.Worst
}
