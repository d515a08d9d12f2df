package slack

import (
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/notifier/slack/clicks"
	"callwatch/rules"
)

// Ids of the buttons that open a link; the others are in package clicks.
const (
	actionView    = "callwatch_view"
	actionRunbook = "callwatch_runbook"
)

// actions are the buttons: acknowledge, silence, assign, resolve, view the calls, open the
// runbook.
func (w *writer) actions(in *rules.Incident) []slack.Block {
	if !w.buttons {
		return nil
	}
	var es []slack.BlockElement
	if in.State == rules.Firing && in.Parent == "" {
		id, text := clicks.IDAck, markup("Acknowledge")
		if in.Acknowledged != nil {
			id, text = clicks.IDUnack, "Unacknowledge"
		}
		es = append(es, slack.NewButtonBlockElement(id, in.ID, plainLabel(text)), silenceMenu(in),
			slack.NewButtonBlockElement(clicks.IDAssign, in.ID, plainLabel("Assign to me")), resolveButton(in))
	}
	if link := w.viewURL(in); link != "" {
		es = append(es, slack.NewButtonBlockElement(actionView, "", plainLabel(w.viewName(in))).WithURL(link))
	}
	if link := safeURL(in.Runbook); link != "" {
		es = append(es, slack.NewButtonBlockElement(actionRunbook, "", plainLabel("Runbook")).WithURL(link))
	}
	if len(es) == 0 {
		return nil
	}
	return []slack.Block{slack.NewActionBlock("actions", es...)}
}

// silenceMenu offers the usual durations. The value of an option is the duration
// and the incident.
func silenceMenu(in *rules.Incident) slack.BlockElement {
	var options []*slack.OptionBlockObject
	for _, o := range [...][2]string{{"1h", "1 hour"}, {"4h", "4 hours"}, {"24h", "1 day"}} {
		options = append(options, slack.NewOptionBlockObject(o[0]+" "+in.ID, plainLabel(markup(o[1])), nil))
	}
	return slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainLabel("Silence"), clicks.IDSilence, options...)
}

// resolveButton asks before it resolves: that cannot be undone.
func resolveButton(in *rules.Incident) slack.BlockElement {
	b := slack.NewButtonBlockElement(clicks.IDResolve, in.ID, plainLabel("Resolve"))
	return b.WithConfirm(slack.NewConfirmationBlockObject(plainLabel("Resolve the incident?"),
		plainLabel("It ends now, whatever its condition. The next match opens a new one."), plainLabel("Resolve"), plainLabel("Cancel")))
}

// links are the same addresses in text, for messages without buttons.
func (w *writer) links(in *rules.Incident) markup {
	if w.buttons {
		return ""
	}
	var view, book markup
	if address := w.viewURL(in); address != "" {
		view = ":mag: " + link(address, w.viewName(in))
	}
	if address := safeURL(in.Runbook); address != "" {
		book = ":book: " + link(address, "Runbook")
	}
	return joined("  ·  ", view, book)
}

func (w *writer) viewName(in *rules.Incident) markup {
	switch {
	case noCall(in):
		return "View incident"
	case in.Counts.Matched > 1 || in.Values != nil:
		return "View calls"
	default:
		return "View call"
	}
}

// viewURL is the console's page of the call, or of the incident where there are
// several; "" without a console.
func (w *writer) viewURL(in *rules.Incident) string {
	if in.Counts.Matched > 1 || !ofCalls(in) {
		return w.incidentURL(in)
	}
	return w.callURL(&in.Opening.Call)
}

func (w *writer) incidentURL(in *rules.Incident) string {
	if w.console == "" {
		return ""
	}
	return safeURL(strings.TrimRight(w.console, "/") + "/incidents/" + url.PathEscape(in.ID))
}

func (w *writer) callURL(e *call.Event) string {
	if w.console == "" {
		return ""
	}
	return safeURL(strings.TrimRight(w.console, "/") + "/calls/" + url.PathEscape(e.Source()) + "/" + url.PathEscape(e.CallID))
}

// link is an address that safeURL returned, with a name.
func link(address string, name markup) markup {
	return "<" + markup(strings.ReplaceAll(address, "&", "&amp;")) + "|" + name + ">"
}
