package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"callwatch/rules"
)

// resolvedLine says when it ended, after how long and of how many calls.
func (w *writer) resolvedLine(in *rules.Incident) markup {
	line := joined(" ", "Resolved", when(in.ResolvedAt))
	switch {
	case in.Closed:
		line = joined(" ", "Ended", when(in.ResolvedAt))
	case in.ResolvedBy != nil:
		line = joined(" ", "Resolved by "+person(in.ResolvedBy.By), when(in.ResolvedAt))
	}
	if !in.ResolvedAt.IsZero() && !in.OpenedAt.IsZero() {
		line += " after " + lasting(in.ResolvedAt.Sub(in.OpenedAt))
	}
	return joined(", ", line, inSentence(tally(in)))
}

// endedLine says how it ended: what made nobody watch it any more, the values of the
// rule's fields in the latest good call, or what the rule waited for.
func (w *writer) endedLine(in *rules.Incident) markup {
	switch {
	case in.Closed:
		return sentenceCase(w.text(in.Ended, in.Numbers(), 300)) + ". Whether it goes on is not known"
	case in.Resolving != nil && ofCalls(in):
		if good := w.goodCall(in); good != "" {
			return good
		}
	}
	switch {
	case in.ResolvedBy != nil:
		return ""
	case ofCalls(in):
		return during("No further match", "", in)
	case strings.HasPrefix(in.Ended, "no call in "):
		return sentenceCase(w.text(in.Ended, nil, 100))
	case in.ResolveWhen != "":
		return during(code(in.ResolveWhen, 200)+" has held", "", in)
	case in.Values == nil:
		return during("Calls come again", ",", in)
	case in.ResolveAfter > 0:
		return during("The condition has not held", "", in)
	default:
		return "The condition no longer holds"
	}
}

// during adds how long the rule wants that to be so before it resolves.
func during(so, sep markup, in *rules.Incident) markup {
	if in.ResolveAfter <= 0 {
		return so
	}
	return so + sep + " for " + lasting(in.ResolveAfter)
}

// sentenceCase begins with a capital letter.
func sentenceCase(m markup) markup {
	first, size := utf8.DecodeRuneInString(string(m))
	if size == 0 || first == utf8.RuneError {
		return m
	}
	return markup(unicode.ToUpper(first)) + m[size:]
}

// goodCall shows the values of the rule's fields in the latest good call.
func (w *writer) goodCall(in *rules.Incident) markup {
	var values []markup
	for _, name := range fieldsOf(in.Resolving.Conditions) {
		if f, ok := w.fact(&in.Resolving.Call, name); ok && len(values) < maxGood {
			values = append(values, inSentence(f.label)+" "+f.value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return joined(" ", "Latest good call", when(in.Resolving.At)) + ": " + joined(", ", values...)
}
