package slack

import (
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/notifier"
	"callwatch/rules"
)

// storm is the rolling message of a storm: how many incidents of which rules,
// and what they have in common.
func (w *writer) storm(v *notifier.StormView, in *rules.Incident) message {
	title, icon := "Storm: "+count(v.Total, "incident"), markup(":tornado: ")
	if in.State == rules.Resolved {
		title, icon = "Storm over: "+count(v.Total, "incident"), ":white_check_mark: "
	}
	body := section("extent", joined("\n", w.stormExtent(v, in), stormNote(v, in)))
	body = append(body, section("rules", stormRules(v))...)
	body = append(body, section("shared", w.stormShared(v))...)
	return message{
		Text:        sentence(title+".", w.stormExtent(v, in)+".", w.stormShared(v)),
		Blocks:      []slack.Block{header(icon + title)},
		Attachments: bar(color(in), body...),
	}
}

func (w *writer) stormExtent(v *notifier.StormView, in *rules.Incident) markup {
	open := joined("", number(float64(v.Open), 0), " still open")
	if v.Open == 0 {
		open = "all resolved"
	}
	line := joined(" ", count(v.Total, "new incident")+" since", when(v.Since)) + ", " + open
	if in.State == rules.Resolved {
		line += ", calm since " + when(v.CalmSince)
	}
	return line
}

// stormNote says which messages are paused, and where the incidents are listed.
func stormNote(v *notifier.StormView, in *rules.Incident) markup {
	rest := markup("")
	if v.Total > v.Listed {
		rest = "; the console and the API list " + count(v.Total-v.Listed, "more incident")
	}
	if in.State == rules.Resolved {
		return "Each incident is listed in the thread" + rest + "."
	}
	return "Individual alerts paused; critical ones still post. Each incident is listed in the thread within 10 min" + rest + "."
}

func stormRules(v *notifier.StormView) markup {
	ls := []markup{"*By rule*"}
	for _, r := range v.Rules {
		ls = append(ls, "• "+code(r.Rule, 100)+"  "+markup(strconv.Itoa(r.N)))
	}
	if v.MoreRules > 0 {
		ls = append(ls, "• "+count(v.MoreRules, "more rule"))
	}
	return lines(limitSection, ls...)
}

func (w *writer) stormShared(v *notifier.StormView) markup {
	var parts []markup
	var known []string
	for _, s := range v.Shared {
		if s.Field == "from" || s.Field == "to" {
			known = append(known, s.Value)
		}
	}
	for _, s := range v.Shared {
		f, ok := call.Lookup(s.Field)
		if !ok {
			continue
		}
		value := w.text(s.Value, known, 100)
		switch s.Field {
		case "provider":
			value = w.provider(s.Value)
		case "from", "to":
			value = w.number(s.Value)
		}
		share := number(float64(100*s.N/max(1, v.Total)), 0)
		parts = append(parts, inSentence(label(f))+" "+value+" ("+share+" %)")
	}
	if len(parts) == 0 {
		return ""
	}
	return "In common: " + joined(", ", parts...)
}

// stormEntry is the line of an incident in the list.
func (w *writer) stormEntry(in *rules.Incident) markup {
	about := make([]string, 0, len(in.By))
	for _, l := range in.By {
		about = append(about, l.Value)
	}
	what := w.text(strings.Join(about, ", "), in.Numbers(), 40)
	return joined(" ", code(in.ID, 42), escaped(in.Rule, 30)) + joined("", markup(": ")[:min(2, 2*len(what))], what)
}

// stormList is one message of the list.
func (w *writer) stormList(l *notifier.Line) message {
	const perSection = 25
	title := "Incidents " + number(float64(l.From), 0) + " to " + number(float64(l.To), 0) + " of the storm"
	entries := make([]markup, 0, len(l.Listed))
	for _, e := range l.Listed { // stormEntry made them
		entries = append(entries, markup(e))
	}
	var blocks []slack.Block
	for from := 0; from < len(entries); from += perSection {
		part := entries[from:min(from+perSection, len(entries))]
		blocks = append(blocks, section("list"+strconv.Itoa(from), lines(limitSection, part...))...)
	}
	return message{
		Text:   sentence(title+":", lines(limitText-200, entries...)),
		Blocks: append(section("title", "*"+title+"*"), blocks...),
	}
}

// stormOver is the summary that ends a storm.
func (w *writer) stormOver(v *notifier.StormView, in *rules.Incident) message {
	head := "The storm is over: " + w.stormExtent(v, in)
	note := markup("Individual alerts resume. An incident of the storm gets its own thread when it escalates or at its next reminder")
	return message{
		Text:   sentence(head+".", w.stormShared(v)),
		Blocks: section("summary", lines(limitSection, ":white_check_mark: *"+head+"*", w.stormShared(v), stormRules(v), note)),
	}
}

// count is a number of things: 1 incident, 2 incidents.
func count(n int, thing markup) markup {
	s := markup(strconv.Itoa(n)) + " " + thing
	if n != 1 {
		s += "s"
	}
	return s
}
