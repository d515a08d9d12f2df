package checker

import (
	"fmt"
	"strings"

	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// eventType marks the messages of callwatch in their metadata.
const eventType = "callwatch_incident"

// resolvedColor is the bar beside the first message of a resolved incident; one
// that is open has another.
const resolvedColor = "#2EB67D"

// compareSlack compares every message that reached Slack with the incidents.
func (l *ledger) compareSlack(incidents map[string]*incident, v *Verdict, storm bool) {
	threads := l.slack.Threads()
	byID := map[string]int{}
	for i := range threads {
		th := &threads[i]
		id, name, ok := tagOf(&th.Root)
		in := incidents[id]
		switch {
		case !ok:
			v.count(&v.Unknown, "thread %s has no metadata: %.80s", th.Root.TS, th.Root.Text)
			continue
		case name != "root":
			v.count(&v.Unknown, "message %s begins a thread and is called %q", th.Root.TS, name)
		case storm && strings.HasPrefix(id, "storm_"):
		case in == nil:
			v.count(&v.Unknown, "thread %s is of incident %q, which no stored transition opened", th.Root.TS, id)
		default:
			compareRoot(th, id, in, v)
		}
		if byID[id]++; byID[id] > 1 {
			v.count(&v.Twice, "incident %s has %d threads", id, byID[id])
		}
		compareReplies(th, id, in, v)
	}
	for id, in := range incidents {
		if byID[id] == 0 && !storm {
			v.count(&v.Missing, "incident %s of %v is not announced", id, in.call)
		}
	}
	l.compareCalls(threads, v)
}

// tagOf is what a message says about itself: its incident and its name.
func tagOf(m *slackfake.Message) (incident, name string, ok bool) {
	p := m.Metadata.EventPayload
	incident, ok1 := p["incident"].(string)
	name, ok2 := p["transition"].(string)
	return incident, name, ok1 && ok2 && m.Metadata.EventType == eventType
}

func compareRoot(th *slackfake.Thread, id string, in *incident, v *Verdict) {
	resolved := in.last.Incident.State == rules.Resolved
	if (th.Root.Color == resolvedColor) != resolved || strings.HasPrefix(th.Root.Text, "Resolved") != resolved {
		v.count(&v.Wrong, "thread of %s shows %q in %s, its incident is %s", id, fmt.Sprintf("%.40s", th.Root.Text), th.Root.Color, in.last.Incident.State)
	}
}

// compareReplies compares the replies in a thread with those that the transitions
// of its incident imply, each once. A storm's thread lists incidents.
func compareReplies(th *slackfake.Thread, id string, in *incident, v *Verdict) {
	seen := map[string]bool{}
	for i := range th.Replies {
		m := &th.Replies[i]
		of, name, ok := tagOf(m)
		switch {
		case !ok:
			v.count(&v.Unknown, "reply %s has no metadata: %.80s", m.TS, m.Text)
			continue
		case of != id:
			v.count(&v.Unknown, "reply %s of %s is in the thread of %s", m.TS, of, id)
		case in != nil && !in.lines[name]:
			v.count(&v.Unknown, "reply %q in the thread of %s: no transition implies it", name, id)
		case seen[name]:
			v.count(&v.Twice, "reply %q is twice in the thread of %s", name, id)
		}
		seen[name] = true
	}
	if in == nil {
		return
	}
	for name := range in.lines {
		if !seen[name] {
			v.count(&v.Missing, "reply %q is missing in the thread of %s", name, id)
		}
	}
}

// compareCalls compares the requests to Slack with the messages that are there:
// nothing is deleted, and only first messages are edited, each as itself.
func (l *ledger) compareCalls(threads []slackfake.Thread, v *Verdict) {
	roots, all := map[string]string{}, map[string]bool{}
	for i := range threads {
		id, _, _ := tagOf(&threads[i].Root)
		roots[threads[i].Root.TS], all[threads[i].Root.TS] = id, true
		for j := range threads[i].Replies {
			all[threads[i].Replies[j].TS] = true
		}
	}
	for _, c := range l.slack.Calls() {
		switch c.Method {
		case "chat.postMessage":
			if c.Committed != "" && !all[c.Committed] {
				v.count(&v.Unknown, "message %s was posted and is gone", c.Committed)
			}
		case "chat.update":
			if id, ok := roots[c.TS]; !ok {
				v.count(&v.Unknown, "message %s was edited: it begins no thread", c.TS)
			} else if of, _ := c.Metadata.EventPayload["incident"].(string); of != id {
				v.count(&v.Unknown, "message %s of %s was edited to be of %q", c.TS, id, of)
			}
		case "chat.delete":
			v.count(&v.Unknown, "message %s was deleted", c.TS)
		}
	}
}
