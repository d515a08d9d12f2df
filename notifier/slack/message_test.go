package slack

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/notifier"
	"callwatch/notifier/mask"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// messages are all kinds of messages an incident makes, and a storm of so many
// like it.
func messages(w *writer, in *rules.Incident, many int) map[string]message {
	storm := stormMessages(w, in, many)
	return map[string]message{
		"root":      w.root(in),
		"opening":   w.opening(in),
		"adopted":   w.adopted(&notifier.Line{To: len(in.Adopted), Incident: *in}),
		"acked":     w.said(&notifier.Line{Step: rules.StepAcknowledged, At: in.UpdatedAt, Incident: *in}),
		"unacked":   w.said(&notifier.Line{Step: rules.StepUnacknowledged, Reason: in.Summary, Incident: *in}),
		"assigned":  w.said(&notifier.Line{Step: rules.StepAssigned, Incident: *in}),
		"noted":     w.said(&notifier.Line{Step: rules.StepNoted, Incident: *in}),
		"silenced":  w.said(&notifier.Line{Step: rules.StepSilenced, Incident: *in}),
		"reminded":  w.said(&notifier.Line{Step: rules.StepReminded, At: in.UpdatedAt, Incident: *in}),
		"sparkline": w.rootWithSparkline(in),
		"storm":     storm[0],
		"storm end": storm[1],
		"list":      storm[2],
		"storm was": storm[3],
		"escalated": w.escalated(in, in.Severity, in.UpdatedAt, "rate above 30 %"),
		"resolved":  w.resolved(in),
	}
}

// stormMessages are the messages of a storm of many times the same incident: its
// root, its summary, the first part of its list, and the root at the end.
func stormMessages(w *writer, in *rules.Incident, many int) []message {
	const listSize = 100
	view := notifier.StormView{
		Total: many, Open: many, Listed: many, Since: notifiertest.T0,
		Rules: []notifier.RuleCount{{Rule: in.Rule, N: many}},
	}
	if in.OpenedAt.Before(view.Since) {
		view.Since = in.OpenedAt
	}
	for _, name := range []string{"provider", "connectionId", "agentId", "campaignId", "region", "codec", "fromCountry", "toCountry", "direction", "hangupCause"} {
		if f, ok := call.Lookup(name); ok {
			if v, ok := f.Text(&in.Opening.Call); ok && v != "" {
				view.Shared = append(view.Shared, notifier.SharedValue{Field: name, Value: v, N: many})
			}
		}
	}
	list := notifier.Line{Step: notifier.StepListed, From: 1, To: min(many, listSize)}
	for range list.To {
		list.Listed = append(list.Listed, string(w.stormEntry(in)))
	}
	running := rules.Incident{ID: "storm_1", Rule: "storm", State: rules.Firing, Severity: in.Severity, OpenedAt: view.Since, UpdatedAt: notifiertest.T0}
	over, ended := running, view
	over.State, over.ResolvedAt = rules.Resolved, notifiertest.T0.Add(20*time.Minute)
	ended.CalmSince = over.ResolvedAt.Add(-10 * time.Minute)
	return []message{w.storm(&view, &running), w.stormOver(&ended, &over), w.stormList(&list), w.storm(&ended, &over)}
}

func TestMOSNamesItsSource(t *testing.T) {
	w := &writer{title: notifiertest.Title}
	for want, e := range map[string]call.Facts{
		"3.42 (estimated)": {MOS: new(3.42), MOSSource: call.Estimated, MOSScope: "listening", MOSMissing: []string{"rttMs"}, Codec: "opus", MOSGrounding: "literature"},
		"3.43 (estimated)": {MOS: new(3.425001), MOSSource: call.Estimated, MOSScope: "conversational", MOSMissing: []string{"codec", "jitterMs"}},
		"3.86 (reported)":  {MOS: new(3.86), MOSSource: call.FromProvider},
		"1.00 (no media)":  {MOS: new(1.0), MOSSource: call.NoMedia},
		"2.50":             {MOS: new(2.5)},
		"":                 {MOSSource: call.Estimated, MOSMissing: []string{"rttMs"}},
	} {
		got := w.mos(&call.Event{Identity: call.Identity{Provider: "telnyx"}, Facts: e})
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNumbersAreMasked(t *testing.T) {
	for in, want := range map[string]string{
		"+15551234567":              "+1•••••••67",
		"+493012345678":             "+49•••••••78",
		"+35312345678":              "+353•••••••78",
		"15551234567":               "•••••••67",
		"sip:+15551234567@sbc.test": "sip:+1•••••••67@sbc.test",
		"(555) 123-4567":            "•••••••67",
		"alice":                     "alice",
		"911":                       "911",
		"":                          "",
		"+1":                        "+1",
	} {
		if got := mask.Number(in); got != want {
			t.Errorf("mask.Number(%q) = %q, want %q", in, got, want)
		}
	}
	e := &call.Event{Facts: call.Facts{From: "15551234567"}}
	got := mask.Text(`from ("15551234567") startsWith "+15550000000", packetsReceived (1234567)`, e.From, e.To)
	if want := `from ("•••••••67") startsWith "+1•••••••00", packetsReceived (1234567)`; got != want {
		t.Errorf("mask.Text = %q, want %q", got, want)
	}
	w := &writer{showNumbers: true}
	if got := w.number("+15551234567"); got != "+15551234567" {
		t.Errorf("configured to show numbers, got %q", got)
	}
}

// TestNumbersAreMaskedInEveryMessage: whichever field of a call has a number, its id too,
// and however it is spelled. The console's address keeps the id.
func TestNumbersAreMaskedInEveryMessage(t *testing.T) {
	address := regexp.MustCompile(`https?://[^|>\s"]+`)
	for _, spelling := range []string{
		"+4915112345678", "4915112345678", "15112345678", "49-151-12345678", "0151.12345678", "from:015112345678", "call/004915112345678",
		"%2B49%20151%2012345678", "+49_151_12345678", "sip:4915112345678@h", "from\u200b:0151\u20131234 5678",
	} {
		for _, console := range []string{"", "https://console.example"} {
			in := notifiertest.Grown()
			in.Summary, in.RuleError, in.By = "Calls of "+spelling+" fail", spelling, []rules.Label{{Name: "to", Value: "4915112345678"}, {Name: "provider", Value: "telnyx"}}
			in.Assigned, in.Notes = &rules.Assignment{To: "ana", By: "ana"}, []rules.Note{{By: "ana", Text: "it is " + spelling}}
			for _, ev := range []*rules.Evidence{&in.Opening, &in.Latest, &in.Worst, &in.Samples[0]} {
				e := &ev.Call
				e.From, e.To, e.CallID, e.Aliases, e.Status, e.Direction = "+14155552671", "+4915112345678", spelling, []string{spelling}, spelling, spelling
				e.ErrorMessage, e.HangupCause, e.AgentName, e.Region = "x "+spelling, spelling, spelling, spelling
			}
			for name, m := range messages(&writer{title: notifiertest.Title, console: console}, &in, 5) {
				if bare := strings.Trim(spelling, "0123456789-") == ""; bare && strings.HasPrefix(name, "storm") {
					continue // it has no call, and nobody knows these digits
				}
				b, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				shown := address.ReplaceAllString(string(b), "")
				if strings.Contains(strings.NewReplacer(" ", "", "-", "", ".", "", "_", "", "%20", "", `\u2013`, "", "\u2013", "").Replace(shown), "15112345678") {
					t.Errorf("%s in %s, console %q: %s", spelling, name, console, shown)
				}
			}
			full := &writer{title: notifiertest.Title, console: console, showNumbers: true}
			if got := string(full.callName(&in.Opening.Call)); console == "" && spelling[0] == '+' && got != "`"+spelling+"`" {
				t.Errorf("configured to show numbers: %s", got)
			}
			if got := string((&writer{console: console}).callName(&in.Opening.Call)); console != "" && spelling == "+4915112345678" && got != "<https://console.example/calls/telnyx/+4915112345678|+49•••••••78>" {
				t.Errorf("linked as %s", got)
			}
		}
	}
	w := &writer{}
	for _, id := range []string{"v3:550e8400-0123-4567-8901-446655440000", "CA1234567890abcdef1234567890abcdef", "a84b4c76e66710@pc33.atlanta.example", "843817637684230@998sdasdh09", "1773454440.151"} {
		if got := string(w.callName(&call.Event{Identity: call.Identity{CallID: id}, Facts: call.Facts{From: "+4915112345678"}})); got != "`"+id+"`" {
			t.Errorf("id %s is shown as %s", id, got)
		}
	}
	view := notifier.StormView{Total: 5, Shared: []notifier.SharedValue{{Field: "region", Value: "15112345678", N: 5}, {Field: "from", Value: "4915112345678", N: 5}}}
	if got := w.stormShared(&view); strings.Contains(string(got), "15112345678") {
		t.Errorf("a storm shows %s", got)
	}
}

func TestRunbookIsALinkOnlyWhereABrowserIsSafe(t *testing.T) {
	for in, want := range map[string]string{
		"https://wiki.example/a?b=1&c=2": "<https://wiki.example/a?b=1&amp;c=2|Runbook>",
		"https://wiki.example/a|b>c":     "<https://wiki.example/a%7Cb%3Ec|Runbook>",
		"https://wiki.example/?q=a b":    "<https://wiki.example/?q=a%20b|Runbook>",
		"https://wiki.example/?\u202ea":  "",
		"javascript:alert(1)":            "",
		"https://user:pw@wiki.example/":  "",
		"file:///etc/passwd":             "",
		"wiki.example":                   "",
		"":                               "",
	} {
		w := &writer{}
		got := strings.TrimPrefix(string(w.links(&rules.Incident{Runbook: in})), ":book: ")
		if got != want {
			t.Errorf("links of runbook %q = %q, want %q", in, got, want)
		}
	}
}

func TestEscapedIsCutBetweenRunes(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  markup
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"a<b", 6, "a&lt;b"},
		{"a<b", 5, "a…"},
		{"𝔘𝔘", 3, "𝔘…"},
		{"a\r\n\tb  c", 10, "a b c"},
		{"a\xff", 10, "a\uFFFD"},
		{"`x`", 10, "'x'"},
		{"@Here", 10, "@\u2060Here"},
		{"me@home", 10, "me@home"},
		{"@\u200bhere @\u2060channel @\u00adevery\u200done", 60, "@\u2060here @\u2060channel @\u2060everyone"},
		{"@\u034fhere @\ufe0fhere @\u3164here", 60, "@\u2060here @\u2060here @\u2060here"},
		{"<!here> <!subteam^S1>", 60, "&lt;!here&gt; &lt;!subteam^S1&gt;"},
		{"*b* ~s~", 60, "\u2060*\u2060b\u2060*\u2060 \u2060~\u2060s\u2060~\u2060"},
		{"_i_ bad_call _x", 60, "\u2060_\u2060i\u2060_\u2060 bad_call \u2060_\u2060x"},
		{"*\u200bb*", 60, "\u2060*\u2060b\u2060*\u2060"},
		{":smile: :+1: 12:30 v3:x", 60, "\u2060:\u2060smile: \u2060:\u2060+1: 12:30 v3:x"},
		{":\u200dsmile\u200b:", 60, "\u2060:\u2060smile:"},
		{"https://evil.example", 60, "https\u2060:\u2060//evil.example"},
		{"👨\u200d👩 ❤\ufe0f می\u200cخواهم", 60, "👨\u200d👩 ❤\ufe0f می\u200cخواهم"},
		{"a\u202eb", 10, "ab"},
		{"ab", 1, "…"},
	} {
		if got := escaped(c.in, c.limit); got != c.want {
			t.Errorf("escaped(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

// fullList is more than one message of a storm's list can take.
const fullList = 120

func FuzzMessage(f *testing.F) {
	for kind := range 16 {
		f.Add("<!channel> @here & <@U1|x> `rm` *_~\n> \u202e<https://evil.example|safe> 𝔘", "+15551234567", "mos (3.12) < 3.5", "https://wiki.example/|x>", 3.1, kind)
	}
	f.Add("\xff\x00`", "@channel", "<!here>", "http://a/<>", -1.0, 0)
	f.Add("&&&&&&&", "sip:<sip:x@y>", "", "", 1e300, 1<<40)
	f.Fuzz(func(t *testing.T, name, number, text, runbook string, mos float64, n int) {
		in := notifiertest.Resolved()
		in.Summary, in.Rule, in.Owner, in.RuleError, in.Runbook = name, name, text, text, runbook
		in.By = []rules.Label{{Name: name, Value: text}}
		in.Counts = rules.Counts{Matched: n, Judged: n, Unjudged: n}
		e := notifiertest.BadCall(text, mos)
		e.From, e.To, e.HangupCause, e.Codec, e.Provider, e.Tags = number, name, text, name, name, []string{name, number}
		e.DurationSec, e.PacketsLost = new(mos), new(int64(n))
		ev := rules.Evidence{At: notifiertest.T0, Call: e, Conditions: []rules.Condition{{Text: text, Truth: rules.True}, {Text: name, Truth: rules.False}}}
		in.Opening, in.Worst, in.Latest, in.Resolving = ev, ev, ev, &ev
		in.Samples = []rules.Evidence{ev, ev}
		in.Values = &rules.Values{Name: name, Share: n%2 == 0, Latest: mos, Worst: mos, Opening: mos}
		in.Trend = []rules.Point{{At: notifiertest.T0, Value: mos}, {At: notifiertest.T0, Value: float64(n)}, {At: notifiertest.T0.Add(time.Minute), Value: -mos}}
		in.Top = []rules.Share{{Field: name, Value: text, Matched: n, Judged: n}, {Field: "from", Value: number}}
		in.Adopted = []rules.Adopted{{ID: text, Rule: name, Summary: text}}
		in.Acknowledged = &rules.Actor{By: name, At: notifiertest.T0}
		in.Silence = &rules.Silence{By: text, Comment: name, Until: notifiertest.T0}
		in.Parent, in.ID = text, name
		in.Show = []string{"from", "to", "mos", "hangupCause", "codec", "tags", "durationSec", "packetsLost", name}
		// One kind of incident in each run: a run that is short explores more.
		w, many := &writer{title: notifiertest.Title}, 2
		if n&1 != 0 {
			in.State = rules.Firing
		}
		if n&2 != 0 {
			in.Parent, in.ID = "", "inc_1"
			w = &writer{title: notifiertest.Title, buttons: true, console: "https://callwatch.example/"}
		}
		if n&12 == 12 {
			many = fullList
		}
		checkSafe(t, w, &in, many)
	})
}

func TestHostileIncidentMakesSafeMessages(t *testing.T) {
	in := notifiertest.Hostile()
	checkSafe(t, &writer{title: notifiertest.Title}, &in, fullList)
}

// ours are the only marks that messages may hold: dates and the runbook.
var ours = regexp.MustCompile(`<!date\^-?\d+\^\{date_short_pretty\} at \{time\}\|[-0-9: UTC]+>|<https?://[^<>|\x60\s]+\|[^<>|\x60]*>`)

// checkSafe demands of every message of the incident: valid JSON within Slack's
// limits, and no markup in it but ours.
func checkSafe(t *testing.T, w *writer, in *rules.Incident, many int) {
	t.Helper()
	for name, m := range messages(w, in, many) {
		var blocks, attachments json.RawMessage
		var err error
		if blocks, err = json.Marshal(m.Blocks); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if attachments, err = json.Marshal(m.Attachments); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if problems := slackfake.Validate(m.Text, blocks, attachments); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if length(m.Text) > limitText || strings.TrimSpace(m.Text) == "" {
			t.Errorf("%s: text of %d characters", name, length(m.Text))
		}
		var texts []string
		for _, raw := range []json.RawMessage{blocks, attachments} {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			texts = append(texts, stringsIn(v)...)
		}
		for _, text := range append(texts, m.Text) {
			rest := ours.ReplaceAllString(text, "")
			if strings.ContainsAny(rest, "<>") {
				t.Errorf("%s: unescaped markup in %.200q", name, rest)
			}
			if strings.Contains(strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(rest), "&") {
				t.Errorf("%s: broken entity in %.200q", name, rest)
			}
			if strings.Count(rest, "`")%2 != 0 {
				t.Errorf("%s: open code in %.200q", name, rest)
			}
			for _, everybody := range []string{"@here", "@channel", "@everyone"} {
				if strings.Contains(strings.ToLower(rest), everybody) {
					t.Errorf("%s: mention in %.200q", name, rest)
				}
			}
		}
	}
}

func stringsIn(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = append(out, stringsIn(e)...)
		}
	case map[string]any:
		for k, e := range v {
			if address, ok := e.(string); ok && k == "url" { // of a button: no markup, its & stands for itself
				e = strings.ReplaceAll(address, "&", "")
			}
			out = append(out, stringsIn(e)...)
		}
	}
	return out
}
