package slackpreview

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/wording"
	"callwatch/rules"
)

// viewFuncs turn facts into words. They return plain text: html/template
// escapes all of it.
func viewFuncs() template.FuncMap {
	return template.FuncMap{
		"plain":  plainText,
		"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"when":   eventTime,
		"tail":   func(id string) string { return wording.Tail(id, 8) },
		"score":  func(v *float64) string { return wording.Decimals(v, 2, "") },
		"band":   wording.Band,
		"source": mosSource,
		"loss":   wording.Loss,
		"ms":     func(v *float64) string { return wording.Decimals(v, 0, " ms") },
		"bad":    func(e call.Event) bool { return e.Status == call.Failed || isTrue(e.AbnormalHang) },
		"labels": wording.Labels,
		"open":   openIncidents,
		"thread": threadLabel,
		"count":  func(n int64) string { return wording.Grouped(strconv.FormatInt(n, 10)) },
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

func isTrue(b *bool) bool { return b != nil && *b }

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

// colour is a colour of the form #rrggbb, grey for anything else.
func colour(s string) string {
	if len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdefABCDEF") == "" {
		return s
	}
	return "#dddddd"
}
