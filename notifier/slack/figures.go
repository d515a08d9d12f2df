package slack

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"callwatch/call"
)

// when shows a time in the zone of each reader; "" where it is unknown.
func when(t time.Time) markup {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return markup(fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|%s>", t.Unix(), t.Format("2006-01-02 15:04 UTC")))
}

// lasting shows a duration in its two largest units: 47 s, 12 min, 3 h 5 min.
func lasting(d time.Duration) markup {
	two := func(n time.Duration, unit string, m time.Duration, small string) markup {
		if m == 0 {
			return markup(fmt.Sprintf("%d %s", n, unit))
		}
		return markup(fmt.Sprintf("%d %s %d %s", n, unit, m, small))
	}
	const day = 24 * time.Hour
	switch d = max(0, d.Round(time.Second)); {
	case d < time.Minute:
		return two(d/time.Second, "s", 0, "")
	case d < 10*time.Minute:
		return two(d/time.Minute, "min", d%time.Minute/time.Second, "s")
	case d < time.Hour:
		return two(d/time.Minute, "min", 0, "")
	case d < day:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	default:
		return two(d/day, "d", d%day/time.Hour, "h")
	}
}

// number shows v with at most the decimals given, and without trailing zeros.
func number(v float64, decimals int) markup {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return markup(s)
}

// figure shows a numeric fact with its unit.
func figure(v float64, unit string) markup {
	switch unit {
	case "MOS":
		return markup(strconv.FormatFloat(math.Floor(v*100+0.5)/100, 'f', 2, 64))
	case "s":
		if v < 60 {
			return number(v, 1) + " s"
		}
		return lasting(time.Duration(min(v, 1e9) * float64(time.Second)))
	case "ms":
		if v >= 10 {
			return number(v, 0) + " ms"
		}
		return number(v, 1) + " ms"
	case "%":
		return number(v, 1) + " %"
	case "packets", "turns", "R", "tokens", "characters", "":
		return number(v, 4)
	default:
		return number(v, 1) + " " + markup(unit)
	}
}

// label is a field's name as people write it: packetLossPct is "Packet loss".
// The unit at its end is shown with the figure.
func label(f call.Field) markup {
	var words []string
	for _, w := range splitCamel(f.Name) {
		words = append(words, acronym(w))
	}
	if last := len(words) - 1; last > 0 && map[string]bool{"ms": true, "sec": true, "pct": true}[words[last]] {
		words = words[:last]
	}
	if words[0] == strings.ToLower(words[0]) {
		words[0] = strings.ToUpper(words[0][:1]) + words[0][1:]
	}
	return markup(strings.Join(words, " "))
}

func splitCamel(name string) []string {
	var words []string
	start := 0
	for i, r := range name {
		if unicode.IsUpper(r) && i > start {
			words = append(words, name[start:i])
			start = i
		}
	}
	return append(words, name[start:])
}

// acronym spells a word of a field's name: abbreviations in capitals, the rest
// in lower case.
func acronym(word string) string {
	w := strings.ToLower(word)
	switch w {
	case "mos", "rtt", "sip", "pdd", "ice", "dtls", "stt", "llm", "tts", "id", "p5", "p95", "url":
		return strings.ToUpper(w)
	}
	return w
}
