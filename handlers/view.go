package handlers

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// MOS bands of ITU-T G.109: the scores of R 80, 70 and 60.
const (
	mosGood = 4.03
	mosFair = 3.60
	mosPoor = 3.10
)

// viewFuncs turn facts into words. They return plain text: html/template
// escapes all of it.
func viewFuncs() template.FuncMap {
	return template.FuncMap{
		"plain":  plainText,
		"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"when":   eventTime,
		"tail":   tail,
		"score":  func(v *float64) string { return decimals(v, 2, "") },
		"band":   band,
		"source": mosSource,
		"loss":   loss,
		"ms":     func(v *float64) string { return decimals(v, 0, " ms") },
		"bad":    func(e call.Event) bool { return e.Status == call.Failed || isTrue(e.AbnormalHang) },
		"labels": labels,
		"open":   openIncidents,
		"thread": threadLabel,
		"count":  func(n int64) string { return grouped(n) },
		"spans":  mrkdwn,
		"colour": colour,
	}
}

func eventTime(e call.Event) time.Time {
	if e.ReceivedAt.IsZero() {
		return e.OccurredAt
	}
	return e.ReceivedAt
}

// tail is the end of an id: its start is often the same for all of them.
func tail(id string) string {
	const shown = 8
	r := []rune(id)
	if len(r) <= shown+1 {
		return id
	}
	return "…" + string(r[len(r)-shown:])
}

// decimals writes a number; "" where it is unknown.
func decimals(v *float64, n int, unit string) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', n, 64) + unit
}

// band names how a MOS would be felt; "" where it is unknown.
func band(mos *float64) string {
	switch {
	case mos == nil:
		return ""
	case *mos >= mosGood:
		return "good"
	case *mos >= mosFair:
		return "fair"
	case *mos >= mosPoor:
		return "poor"
	default:
		return "bad"
	}
}

// mark says whose figure a MOS is.
type mark struct{ Short, Long string }

func mosSource(source string) mark {
	switch source {
	case call.FromProvider:
		return mark{"rep", "reported by the provider"}
	case call.Estimated:
		return mark{"est", "estimated, ITU-T G.107"}
	case call.NoMedia:
		return mark{"no media", "answered, but no media received"}
	default:
		return mark{}
	}
}

// loss is the share of lost packets, or their number where only that is known.
func loss(e call.Event) string {
	switch {
	case e.PacketLossPct != nil:
		return decimals(e.PacketLossPct, 1, " %")
	case e.PacketsLost != nil:
		return grouped(*e.PacketsLost) + " pkt"
	default:
		return ""
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func labels(by []rules.Label) string {
	parts := make([]string, len(by))
	for i, l := range by {
		parts[i] = l.Name + " " + l.Value
	}
	return strings.Join(parts, " · ")
}

func openIncidents(incidents []rules.Incident) (n int) {
	for _, i := range incidents {
		if i.State == rules.Firing {
			n++
		}
	}
	return n
}

func threadLabel(n int) string {
	if n == 1 {
		return "1 reply"
	}
	return fmt.Sprintf("%d replies", n)
}

// grouped writes a number with thin spaces between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// colour is a colour of the form #rrggbb, grey for anything else.
func colour(s string) string {
	if len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdefABCDEF") == "" {
		return s
	}
	return "#dddddd"
}
