package slack

import (
	"strconv"
	"strings"

	"callwatch/rules"
)

// extent says how many calls since when. Of a window they are those in it at the opening
// and all since.
func (w *writer) extent(in *rules.Incident) markup {
	switch {
	case !ofCalls(in):
		return joined(", ", joined(" ", "Open since", when(in.OpenedAt)), inSentence(tally(in)))
	case in.Counts.Matched <= 1:
		return joined(" ", tally(in), when(in.OpenedAt))
	}
	since := joined(" ", tally(in)+" since", when(in.OpenedAt))
	if latest := when(in.Latest.At); latest != "" {
		since += ", the latest " + latest
	}
	return since
}

// tally counts the calls that are the evidence, among those measured where that says
// more, and says what they are; "" where it is that there are none, or too few.
func tally(in *rules.Incident) markup {
	if noCall(in) {
		return ""
	}
	n, of := max(1, in.Counts.Matched), in.Counts.Measured()
	calls := count(n, "call")
	if of > n {
		calls = markup(strconv.Itoa(n)) + " of " + count(of, "call")
	}
	if not := counted(in); not != "" {
		return "Not " + code(not, 120) + ": " + calls
	}
	return calls + " matched"
}

// soFar is the tally of an incident that goes on, within a sentence.
func soFar(in *rules.Incident) markup {
	if noCall(in) {
		return ""
	}
	return inSentence(tally(in)) + " so far"
}

// ofCalls reports whether the incident gathers single calls, and not what a window or
// an absence says.
func ofCalls(in *rules.Incident) bool { return in.Values == nil && in.Opening.Call.CallID != "" }

// noCall reports whether the incident is about an absence or too few calls: none matched,
// whatever came since.
func noCall(in *rules.Incident) bool {
	return !ofCalls(in) && (in.Values == nil || in.Counts.Matched == 0)
}

// counted is the condition of a share or number that is too small: the evidence are the
// calls for which it is false. "" for other incidents.
func counted(in *rules.Incident) string {
	if in.Values == nil || in.Values.Direction != rules.DirectionDown {
		return ""
	}
	for _, of := range []string{"rate(", "count("} {
		if cond, ok := strings.CutPrefix(in.Values.Name, of); ok {
			return strings.TrimSuffix(cond, ")")
		}
	}
	return ""
}

// whyItMatched introduces the conditions that held.
func whyItMatched(in *rules.Incident) markup {
	if noCall(in) {
		return "Because"
	}
	return "Matched because"
}

// waits says when the incident resolves; "" where nothing is known of it.
func waits(in *rules.Incident) markup {
	after := in.ResolveAfter > 0
	until := code(in.ResolveWhen, 200)
	switch {
	case until != "" && after:
		return "Resolves when " + until + " has held for " + lasting(in.ResolveAfter)
	case until != "":
		return "Resolves as soon as " + until
	case ofCalls(in) && after:
		return "Resolves " + lasting(in.ResolveAfter) + " after the last match"
	case ofCalls(in):
		return ""
	case in.Values == nil:
		return during("Resolves once calls come again", "", in)
	case after:
		return "Resolves " + lasting(in.ResolveAfter) + " after the condition ends"
	default:
		return "Resolves when the condition ends"
	}
}

// flaps says why the incident stays open longer than its rule says.
func flaps(in *rules.Incident) markup {
	f := in.Flapping
	if f == nil || in.State == rules.Resolved {
		return ""
	}
	usual := "instead of " + lasting(f.Usual)
	if f.Usual <= 0 {
		usual = "instead of at once"
	}
	return "Flapping: opened " + count(f.Openings, "time") + " within an hour, so it resolves after " + lasting(in.ResolveAfter) + " " + usual
}
