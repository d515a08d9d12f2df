package notifier

import (
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/rules"
)

// storm is the rolling message of a storm: how many incidents of which rules,
// and what they have in common.
func (w *writer) storm(v *stormView, in *rules.Incident) message {
	title, icon := "Storm: "+count(v.total, "incident"), markup(":tornado: ")
	if in.State == rules.Resolved {
		title, icon = "Storm over: "+count(v.total, "incident"), ":white_check_mark: "
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

func (w *writer) stormExtent(v *stormView, in *rules.Incident) markup {
	open := joined("", number(float64(v.open), 0), " still open")
	if v.open == 0 {
		open = "all resolved"
	}
	line := joined(" ", count(v.total, "new incident")+" since", when(v.since)) + ", " + open
	if in.State == rules.Resolved {
		line += ", calm since " + when(v.ended.Add(-calm))
	}
	return line
}

// stormNote says what readers will not see, and where to find it.
func stormNote(v *stormView, in *rules.Incident) markup {
	rest := markup("")
	if v.total > v.listed {
		rest = "; " + count(v.total-v.listed, "further one") + " in callwatch's log and API"
	}
	if in.State == rules.Resolved {
		return "Each incident is listed in the thread" + rest + "."
	}
	return "Single messages pause, but for critical incidents. Each incident is listed in the thread" + rest + "."
}

func stormRules(v *stormView) markup {
	ls := []markup{"*By rule*"}
	for _, r := range v.rules {
		ls = append(ls, "• "+code(r.rule, 100)+"  "+markup(strconv.Itoa(r.n)))
	}
	if v.moreRules > 0 {
		ls = append(ls, "• "+count(v.moreRules, "further rule"))
	}
	return lines(limitSection, ls...)
}

func (w *writer) stormShared(v *stormView) markup {
	var parts []markup
	for _, s := range v.shared {
		f, ok := call.Lookup(s.field)
		if !ok {
			continue
		}
		value := w.text(s.value, &call.Event{}, 100)
		if s.field == "provider" {
			value = w.provider(s.value)
		}
		share := number(float64(100*s.n/max(1, v.total)), 0)
		parts = append(parts, inSentence(label(f))+" "+value+" ("+share+" %)")
	}
	if len(parts) == 0 {
		return ""
	}
	return "They share: " + joined(", ", parts...)
}

// stormEntry is the line of an incident in the list: by its id it is found.
func (w *writer) stormEntry(in *rules.Incident) markup {
	about := make([]string, 0, len(in.By))
	for _, l := range in.By {
		about = append(about, l.Value)
	}
	what := w.text(strings.Join(about, ", "), &in.Opening.Call, 40)
	return joined(" ", code(in.ID, 42), escaped(in.Rule, 30)) + joined("", markup(": ")[:min(2, 2*len(what))], what)
}

// stormList is one message of the list.
func (w *writer) stormList(l *line) message {
	const perSection = 25
	title := "Incidents " + number(float64(l.from), 0) + " to " + number(float64(l.to), 0) + " of the storm"
	var blocks []slack.Block
	for from := 0; from < len(l.listed); from += perSection {
		part := l.listed[from:min(from+perSection, len(l.listed))]
		blocks = append(blocks, section("list"+strconv.Itoa(from), lines(limitSection, part...))...)
	}
	return message{
		Text:   sentence(title+":", lines(limitText-200, l.listed...)),
		Blocks: append(section("title", "*"+title+"*"), blocks...),
	}
}

// stormOver is the summary that ends a storm.
func (w *writer) stormOver(v *stormView, in *rules.Incident) message {
	head := "The storm is over: " + w.stormExtent(v, in)
	note := markup("Single messages resume. An incident of the storm gets a thread of its own when it escalates or is reminded of")
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
