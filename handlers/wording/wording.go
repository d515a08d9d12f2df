// Package wording turns facts into the words and figures that pages show. What it
// returns is plain text: html/template escapes all of it.
package wording

import (
	"strconv"
	"strings"

	"callwatch/call"
	"callwatch/rules"
)

// MOS bands of ITU-T G.109: the scores of R 80, 70 and 60.
const (
	Good = 4.03
	Fair = 3.60
	Poor = 3.10
)

// Band names how a MOS would be felt; "" where it is unknown.
func Band(mos *float64) string {
	switch {
	case mos == nil:
		return ""
	case *mos >= Good:
		return "good"
	case *mos >= Fair:
		return "fair"
	case *mos >= Poor:
		return "poor"
	default:
		return "bad"
	}
}

// Tail is the end of an id: its start is often the same for all of them. shown is
// the number of characters.
func Tail(id string, shown int) string {
	r := []rune(id)
	if len(r) <= shown+1 {
		return id
	}
	return "…" + string(r[len(r)-shown:])
}

// Decimals writes a number with n decimals and its unit; "" where it is unknown.
func Decimals(v *float64, n int, unit string) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', n, 64) + unit
}

// Loss is the share of lost packets, or their number where only that is known.
func Loss(e call.Event) string {
	switch {
	case e.PacketLossPct != nil:
		return Decimals(e.PacketLossPct, 1, " %")
	case e.PacketsLost != nil:
		return Grouped(strconv.FormatInt(*e.PacketsLost, 10)) + " pkt"
	default:
		return ""
	}
}

// Labels are the labels of an incident in one line.
func Labels(by []rules.Label) string {
	parts := make([]string, len(by))
	for i, l := range by {
		parts[i] = l.Name + " " + l.Value
	}
	return strings.Join(parts, " · ")
}

// Grouped writes the digits of a number with thin spaces between thousands.
func Grouped(s string) string {
	whole, _, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
