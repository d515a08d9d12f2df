package slack

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"callwatch/call"
	"callwatch/notifier/mask"
)

const (
	maxFacts = 10  // Slack's limit on the fields of a section
	maxValue = 200 // of one value; Slack takes 2000, nobody reads them at night
)

// fact is one known thing about a call, as shown.
type fact struct {
	label markup
	value markup
}

// usualFacts are shown where a rule lists none, as far as they are known.
func usualFacts() []string {
	return []string{
		"mos", "packetLossPct", "jitterMs", "rttMs", "codec", "noInboundAudio", "noOutboundAudio",
		"turnLatencyP95Ms", "errorMessage", "hangupCause", "sipCode", "setupMs", "cost", "agentName", "region",
	}
}

// facts are what is known of the call among the fields to show, at most ten.
// The call's id is always among them: it is what one looks up next.
func (w *writer) facts(e *call.Event, show []string) []fact {
	if len(show) == 0 {
		show = usualFacts()
	}
	show = slices.Clone(show)
	if i := slices.Index(show, "callId"); i >= 0 {
		show = slices.Delete(show, i, i+1)
	}
	var out []fact
	for _, name := range show {
		if len(out) == maxFacts-1 {
			break
		}
		if f, ok := w.fact(e, name); ok {
			out = append(out, f)
		}
	}
	if e.CallID != "" {
		out = append(out, fact{"Call ID", code(w.callID(e), maxValue)})
	}
	return out
}

// fact is one field of the call as shown; false where it is unknown.
func (w *writer) fact(e *call.Event, name string) (fact, bool) {
	f, ok := call.Lookup(name)
	if !ok {
		return fact{}, false
	}
	value := w.value(e, f)
	return fact{label(f), value}, value != ""
}

// value is a fact in words with its unit; "" where it is unknown.
func (w *writer) value(e *call.Event, f call.Field) markup {
	switch f.Name {
	case "mos":
		return w.mos(e)
	case "provider":
		return w.provider(e.Provider)
	case "from", "to":
		s, _ := f.Text(e)
		return w.number(s)
	case "cost", "costPerMin":
		n, ok := f.Number(e)
		if !ok {
			return ""
		}
		return joined(" ", number(n, 4), escaped(e.CostCurrency, 20))
	}
	if n, ok := f.Number(e); ok {
		return figure(n, f.Unit)
	}
	switch v := f.Value(e).(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		return w.text(v, callNumbers(e), maxValue)
	case []string:
		return w.text(strings.Join(v, ", "), callNumbers(e), maxValue)
	case time.Time:
		return when(v)
	default:
		return "" // lists and objects are no facts of one line
	}
}

// mos is the score and, in a word, its source. The console says more.
func (w *writer) mos(e *call.Event) markup {
	if e.MOS == nil {
		return ""
	}
	score := figure(*e.MOS, "MOS")
	switch e.MOSSource {
	case call.FromProvider:
		return score + " (reported)"
	case call.NoMedia:
		return score + " (no media)"
	case call.Estimated:
		return score + " (estimated)"
	default:
		return score
	}
}

// inSentence begins m in lower case, unless it begins with an abbreviation.
func inSentence(m markup) markup {
	if m == "" || len(m) > 1 && m[1] >= 'A' && m[1] <= 'Z' {
		return m
	}
	first, size := utf8.DecodeRuneInString(string(m))
	if first == utf8.RuneError {
		return m
	}
	return markup(unicode.ToLower(first)) + m[size:]
}

func (w *writer) provider(name string) markup {
	if w.title != nil {
		if title := w.title(name); title != "" {
			name = title
		}
	}
	return escaped(name, 60)
}

func (w *writer) number(s string) markup {
	if !w.showNumbers {
		s = mask.Number(s)
	}
	return escaped(s, maxValue)
}

// text is foreign text that may name phone numbers, the known ones in any spelling.
func (w *writer) text(s string, known []string, limit int) markup {
	s = s[:min(len(s), 8*limit)] // more than can be shown
	if !w.showNumbers {
		s = mask.Text(s, known...)
	}
	return escaped(s, limit)
}

// callID is the id of a call for people to read: phone numbers in it are masked, some
// vendors make it of the caller's. Addresses have it as it is.
func (w *writer) callID(e *call.Event) string {
	if w.showNumbers {
		return e.CallID
	}
	return mask.Text(e.CallID, e.From, e.To)
}

func callNumbers(e *call.Event) []string { return []string{e.From, e.To} }
