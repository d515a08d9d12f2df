package notifier

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/rules"
)

// writer turns incidents into messages. Its functions are pure.
type writer struct {
	title       func(provider string) string
	showNumbers bool
}

// message is what Slack is to show, in one of two forms: with blocks, or, where
// Slack refuses those, the text alone.
type message struct {
	Text        string             `json:"text"` // a full sentence, for notifications and screen readers
	Blocks      []slack.Block      `json:"blocks,omitempty"`
	Attachments []slack.Attachment `json:"attachments,omitempty"`
	Broadcast   bool               `json:"broadcast,omitempty"` // a reply shown in the channel as well
}

// plain is the message without blocks.
func (m message) plain() message {
	return message{Text: m.Text, Broadcast: m.Broadcast}
}

// Slack's limits, in characters.
const (
	limitHeader  = 150
	limitSection = 3000
	limitText    = 3000 // of the sentence; Slack advises 4000
)

// title of an incident: its summary, else the rule and what it is about.
func (w *writer) headline(in *rules.Incident, limit int) markup {
	if in.Summary != "" {
		return w.text(strings.TrimRight(in.Summary, ". "), &in.Opening.Call, limit)
	}
	about := make([]string, 0, len(in.By))
	for _, l := range in.By {
		about = append(about, l.Value)
	}
	name := in.Rule
	if len(about) > 0 {
		name += ": " + strings.Join(about, ", ")
	}
	return w.text(name, &in.Opening.Call, limit)
}

// state of an incident in a word: its severity while it fires.
func state(in *rules.Incident) markup {
	if in.State == rules.Resolved {
		return "Resolved"
	}
	return severityName(in.Severity)
}

func severityName(s rules.Severity) markup {
	switch s {
	case rules.Critical:
		return "Critical"
	case rules.Warning:
		return "Warning"
	default:
		return "Info"
	}
}

// color of the bar beside the message.
func color(in *rules.Incident) string {
	if in.State == rules.Resolved {
		return "#2EB67D"
	}
	switch in.Severity {
	case rules.Critical:
		return "#D40E0D"
	case rules.Warning:
		return "#ECB22E"
	default:
		return "#1D9BD1"
	}
}

func icon(in *rules.Incident) markup {
	if in.State == rules.Resolved {
		return ":white_check_mark:"
	}
	switch in.Severity {
	case rules.Critical:
		return ":red_circle:"
	case rules.Warning:
		return ":large_yellow_circle:"
	default:
		return ":large_blue_circle:"
	}
}

// footer says which rule spoke and how far it can be trusted.
func (w *writer) footer(in *rules.Incident) markup {
	parts := []markup{
		"Rule " + code(in.Rule, 100),
		markup(strings.ToLower(string(severityName(in.Severity)))),
	}
	if in.Owner != "" {
		parts = append(parts, "owner "+escaped(in.Owner, 100))
	}
	if share := in.Counts.UnjudgedShare(); share > 0 {
		parts = append(parts, atLeast(100*share)+" % of calls could not be judged: values missing")
	}
	if in.RuleError != "" {
		parts = append(parts, ":warning: rule error: "+w.text(in.RuleError, &in.Latest.Call, 300))
	}
	return joined("  ·  ", parts...)
}

// atLeast shows a share that is known not to be 0.
func atLeast(pct float64) markup {
	if pct < 0.1 {
		return "under 0.1"
	}
	return number(pct, 1)
}

// next says what to do: the runbook, and what happens by itself.
func next(in *rules.Incident) markup {
	var parts []markup
	if link := runbook(in.Runbook); link != "" {
		parts = append(parts, ":book: "+link)
	}
	if in.State == rules.Firing && in.ResolveAfter > 0 {
		parts = append(parts, "Resolves by itself "+lasting(in.ResolveAfter)+" after the last match")
	}
	return joined("  ·  ", parts...)
}

// runbook is a link where the address is one that a browser opens safely.
func runbook(address string) markup {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	safe := strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", "`", "%60", " ", "%20").Replace(u.String())
	if len(safe) > 1000 || strings.ContainsFunc(safe, notInURL) {
		return ""
	}
	return markup("<" + safe + "|Runbook>")
}

// notInURL are runes that would end the link or disguise it.
func notInURL(r rune) bool {
	return r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// callLine says in one line which call it was.
func (w *writer) callLine(e *call.Event) markup {
	who := joined(" → ", w.number(e.From), w.number(e.To))
	if len(e.Direction) > 0 {
		who = joined(" ", escaped(e.Direction, 20), who)
	}
	var length markup
	if e.DurationSec != nil {
		length = figure(*e.DurationSec, "s")
	}
	at := e.StartedAt
	if at.IsZero() {
		at = e.OccurredAt
	}
	return joined("  ·  ", who, w.provider(e.Provider), when(at), length, escaped(e.Status, 20))
}

// conditions lists every leaf of the rule's expression with the value it met,
// in the order of the expression.
func (w *writer) conditions(ev *rules.Evidence) []markup {
	var out []markup
	for _, c := range ev.Conditions {
		mark := markup("·  ")
		switch c.Truth {
		case rules.True:
			mark = ":small_red_triangle: "
		case rules.Unknown:
			mark = ":grey_question: "
		}
		out = append(out, mark+w.text(c.Text, &ev.Call, 300))
	}
	return out
}

// because names the conditions that held, for a sentence.
func (w *writer) because(ev *rules.Evidence) markup {
	var held []markup
	for _, text := range ev.Held() {
		held = append(held, w.text(text, &ev.Call, 200))
		if len(held) == 3 {
			break
		}
	}
	return joined(", ", held...)
}

// evidence shows a call in full: which, its facts, and why it matched.
func (w *writer) evidence(name markup, ev *rules.Evidence, show []string) []slack.Block {
	blocks := section(joined(" ", "*"+name+":*", w.callLine(&ev.Call)))
	if fs := w.facts(&ev.Call, show); len(fs) > 0 {
		blocks = append(blocks, fields(fs))
	}
	if cs := w.conditions(ev); len(cs) > 0 {
		blocks = append(blocks, section(lines(limitSection, append([]markup{"*Matched because*"}, cs...)...))...)
	}
	return blocks
}

// sentence ends s with a full stop and keeps it within Slack's limit.
func sentence(parts ...markup) string {
	s := string(lines(limitText, joined(" ", parts...)))
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}
