package slack

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/notifier"
	"callwatch/rules"
)

// writer turns incidents into messages. Its functions are pure.
type writer struct {
	title       func(provider string) string
	showNumbers bool
	buttons     bool
	console     string // its address; "" for none
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

// headline of an incident: its summary, else the rule and what it is about.
func (w *writer) headline(in *rules.Incident, limit int) markup {
	if in.Summary != "" {
		return w.text(strings.TrimRight(in.Summary, ". "), in.Numbers(), limit)
	}
	about := make([]string, 0, len(in.By))
	for _, l := range in.By {
		about = append(about, l.Value)
	}
	name := in.Rule
	if len(about) > 0 {
		name += ": " + strings.Join(about, ", ")
	}
	return w.text(name, in.Numbers(), limit)
}

// state is the severity of an open incident and who handles it, or how it ended.
func state(in *rules.Incident) markup {
	switch {
	case in.Closed:
		return "No longer watched"
	case in.State == rules.Resolved:
		return "Resolved"
	case in.Parent != "":
		return severityName(in.Severity) + ", part of another incident"
	case in.Silence != nil:
		return severityName(in.Severity) + ", silenced"
	case in.Acknowledged != nil:
		return severityName(in.Severity) + ", acknowledged"
	default:
		return severityName(in.Severity)
	}
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
	switch {
	case in.State == rules.Resolved && !in.Closed:
		return "#2EB67D"
	case notifier.Quiet(in) || in.Closed:
		return "#DDDDDD"
	case in.Acknowledged != nil:
		return "#DAA038"
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
	switch {
	case in.Closed:
		return ":grey_question:"
	case in.State == rules.Resolved:
		return ":white_check_mark:"
	case in.Parent != "":
		return ":link:"
	case in.Silence != nil:
		return ":no_bell:"
	case in.Acknowledged != nil:
		return ":eyes:"
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

// footer names rule, severity and owner, the share of unjudged calls, and a rule error.
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
		parts = append(parts, ":warning: rule error: "+w.text(in.RuleError, in.Numbers(), 300))
	}
	return joined("  ·  ", parts...)
}

// atLeast shows a share that is known not to be 0.
func atLeast(pct float64) markup {
	if pct < 0.1 {
		return "less than 0.1"
	}
	return number(pct, 1)
}

// next shows the links, and when the incident resolves.
func (w *writer) next(in *rules.Incident) markup {
	parts := []markup{w.links(in)}
	if in.State == rules.Firing && in.Parent == "" {
		parts = append(parts, waits(in))
	}
	return joined("  ·  ", parts...)
}

// safeURL is an address as far as a browser opens it safely and Slack takes it;
// "" for others.
func safeURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	safe := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", "`", "%60", " ", "%20").Replace(u.String())
	if len(safe) > 1000 || strings.ContainsFunc(safe, notInURL) {
		return ""
	}
	return safe
}

// notInURL are runes that would end the link or disguise it.
func notInURL(r rune) bool {
	return r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// callLine says in one line which call it was.
func (w *writer) callLine(e *call.Event) markup {
	who := joined(" → ", w.number(e.From), w.number(e.To))
	if len(e.Direction) > 0 {
		who = joined(" ", w.text(e.Direction, callNumbers(e), 20), who)
	}
	var length markup
	if e.DurationSec != nil {
		length = figure(*e.DurationSec, "s")
	}
	at := e.StartedAt
	if at.IsZero() {
		at = e.OccurredAt
	}
	return joined("  ·  ", who, w.provider(e.Provider), when(at), length, w.text(e.Status, callNumbers(e), 20))
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
		out = append(out, mark+w.text(c.Text, callNumbers(&ev.Call), 300))
	}
	return out
}

// because joins the conditions that held.
func (w *writer) because(ev *rules.Evidence) markup {
	var held []markup
	for _, text := range ev.Held() {
		held = append(held, w.text(text, callNumbers(&ev.Call), 200))
		if len(held) == 3 {
			break
		}
	}
	return joined(", ", held...)
}

// evidence shows the worst call in full: which, its facts, and why the rule matched. Of a
// window there may be no call, only conditions and the key.
func (w *writer) evidence(in *rules.Incident) []slack.Block {
	ev, e := worstOf(in), worstCall(in)
	name := markup("Call")
	switch {
	case e.CallID == "":
		name = "About"
	case in.Counts.Matched > 1:
		name = "Worst call"
	}
	var blocks []slack.Block
	if who := w.callLine(e); who != "" {
		blocks = section("call", "*"+name+":* "+who)
	}
	if fs := w.facts(e, in.Show); len(fs) > 0 {
		blocks = append(blocks, fields("facts", fs))
	}
	if cs := w.conditions(ev); len(cs) > 0 {
		blocks = append(blocks, section("because", lines(limitSection, append([]markup{bold(whyItMatched(in))}, cs...)...))...)
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
