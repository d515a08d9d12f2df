// Package notifiertest has incidents for tests of the notifier's packages.
package notifiertest

import (
	"fmt"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// T0 is when the incidents of the tests open.
var T0 = time.Date(2026, 3, 14, 2, 14, 0, 0, time.UTC)

func BadCall(id string, mos float64) call.Event {
	return call.Event{
		Identity: call.Identity{Provider: "telnyx", CallID: id, OccurredAt: T0.Add(-5 * time.Second)},
		Facts: call.Facts{
			Direction: call.Outbound, Status: call.Completed, From: "+15551234567", To: "+493012345678",
			StartedAt: T0.Add(-2 * time.Minute), DurationSec: new(112.0), Codec: "opus",
			PacketLossPct: new(7.84), JitterMs: new(41.2), HangupCause: "normal_clearing",
			MOS: new(mos), MOSSource: call.Estimated, MOSScope: "listening", MOSGrounding: "literature", MOSMissing: []string{"rttMs"},
		},
	}
}

func evidence(at time.Time, e call.Event) rules.Evidence {
	return rules.Evidence{
		At: at, Severity: rules.Warning, Call: e,
		Conditions: []rules.Condition{
			{Expr: "packetsLost > 50", Text: "packetsLost (unknown) > 50", Truth: rules.Unknown},
			{Expr: "mos < 3.5", Text: "mos (" + fmt.Sprintf("%.2f", *e.MOS) + ") < 3.5", Truth: rules.True},
			{Expr: "rttMs > 500", Text: "rttMs (210) > 500", Truth: rules.False},
		},
	}
}

func Opened() rules.Incident {
	ev := evidence(T0, BadCall("v3:7KpQz", 3.12))
	return rules.Incident{
		ID: "bad-call-1", Rule: "bad-call", By: []rules.Label{{Name: "provider", Value: "telnyx"}},
		State: rules.Firing, Severity: rules.Warning, Mode: rules.Active,
		OpenedAt: T0, UpdatedAt: T0, Summary: "Calls sound bad on Telnyx", Owner: "voice-ops",
		Runbook: "https://wiki.example/voice/quality?a=1&b=2", ResolveAfter: 30 * time.Minute,
		Counts:  rules.Counts{Matched: 1, Judged: 1},
		Opening: ev, Latest: ev, Worst: ev, Samples: []rules.Evidence{ev},
	}
}

func Grown() rules.Incident {
	in := Opened()
	in.UpdatedAt = T0.Add(9 * time.Minute)
	in.Latest = evidence(in.UpdatedAt, BadCall("v3:Latest", 3.3))
	in.Worst = evidence(T0.Add(3*time.Minute), BadCall("v3:Worst", 1.94))
	in.Samples = []rules.Evidence{in.Worst, in.Opening, in.Latest}
	in.Counts = rules.Counts{Matched: 17, Judged: 212, Unjudged: 24}
	return in
}

func Escalated() rules.Incident {
	in := Grown()
	in.Severity = rules.Critical
	return in
}

func Resolved() rules.Incident {
	in := Escalated()
	in.State, in.ResolvedAt = rules.Resolved, T0.Add(47*time.Minute)
	in.UpdatedAt = in.ResolvedAt
	good := BadCall("v3:Good", 4.21)
	good.MOSSource, good.MOSScope, good.MOSGrounding, good.MOSMissing = call.FromProvider, "", "", nil
	ev := evidence(T0.Add(46*time.Minute), good)
	ev.Conditions = []rules.Condition{
		{Expr: "packetsLost > 50", Text: "packetsLost (2) > 50", Truth: rules.False},
		{Expr: "mos < 3.5", Text: "mos (4.21) < 3.5", Truth: rules.False},
	}
	in.Resolving = &ev
	return in
}

// Bare is as little as an incident can say.
func Bare() rules.Incident {
	ev := rules.Evidence{Call: call.Event{Identity: call.Identity{Provider: "acme", CallID: "x"}}}
	return rules.Incident{ID: "bare-1", Rule: "bare", State: rules.Firing, Severity: rules.Info, Opening: ev, Latest: ev, Worst: ev}
}

// Hostile is as nasty as a provider's data can make it.
func Hostile() rules.Incident {
	nasty := "<!channel> @here & <@U1|x> `rm` *_~\n> *Resolved* \u202e<https://evil.example|safe> " + strings.Repeat("𝔘<", 3000)
	in := Escalated()
	in.Summary, in.Rule, in.Owner, in.RuleError = nasty, nasty, nasty, nasty
	in.Runbook = "javascript:alert(1)"
	in.By = []rules.Label{{Name: "from", Value: nasty}}
	in.Show = []string{"from", "to", "hangupCause", "codec", "agentName", "tags", "errorMessage", "region", "userAgent", "mos", "status", "nope"}
	e := &in.Worst.Call
	e.From, e.To, e.HangupCause, e.Codec, e.AgentName, e.ErrorMessage = nasty, nasty, nasty, nasty, nasty, nasty
	e.Region, e.UserAgent, e.Tags, e.CallID, e.Provider = nasty, nasty, []string{nasty, nasty}, nasty, nasty
	e.Direction, e.Status = nasty, nasty
	in.Worst.Conditions = nil
	for range 40 {
		in.Worst.Conditions = append(in.Worst.Conditions, rules.Condition{Text: nasty, Truth: rules.True})
	}
	in.Opening, in.Latest = in.Worst, in.Worst
	in.Values = &rules.Values{Name: nasty, Share: true}
	in.Top = []rules.Share{{Field: nasty, Value: nasty, Matched: 1 << 60, Judged: 1}, {Field: "to", Value: nasty}}
	in.Silence = &rules.Silence{By: nasty, Comment: nasty}
	in.Acknowledged = &rules.Actor{By: nasty}
	in.Assigned = &rules.Assignment{To: nasty, By: "ana"}
	in.Notes = []rules.Note{{Text: nasty, By: nasty}}
	for i := range 40 {
		in.Trend = append(in.Trend, rules.Point{At: T0.Add(time.Duration(i) * time.Second), Value: float64(i)})
		in.Adopted = append(in.Adopted, rules.Adopted{ID: nasty, Rule: nasty, Summary: nasty})
	}
	for range 20 {
		in.Samples = append(in.Samples, in.Worst)
	}
	return in
}

func Title(provider string) string {
	return map[string]string{"telnyx": "Telnyx"}[provider]
}

func Acknowledged() rules.Incident {
	in := Grown()
	in.Acknowledged = &rules.Actor{By: "ana", At: T0.Add(10 * time.Minute)}
	return in
}

// Assigned is somebody's, with a note.
func Assigned() rules.Incident {
	in := Grown()
	in.Assigned = &rules.Assignment{To: "ben", By: "ana", At: T0.Add(11 * time.Minute)}
	in.Notes = []rules.Note{{Text: "the <carrier> knows", By: "ben", At: T0.Add(12 * time.Minute)}}
	return in
}

func Silenced() rules.Incident {
	in := Grown()
	in.Silence = &rules.Silence{ID: "s1", Match: `rule == "bad-call"`, Until: T0.Add(time.Hour), By: "ben", Comment: "carrier maintenance"}
	return in
}

func AdoptedChild() rules.Incident {
	in := Grown()
	in.Parent = "inc_parent"
	return in
}

// Window is an incident of a rule over windows.
func Window() rules.Incident {
	in := Grown()
	in.Summary = "Telnyx: 18.2 % of calls sound bad, 2.1 % an hour before"
	in.Values = &rules.Values{
		Name: "rate(mos < 3.5)", Share: true, Opening: 0.121, Latest: 46.0 / 252, Worst: 0.224, Direction: "up",
		Measure:        rules.Measure{Low: 46.0 / 252, High: 104.0 / 252, Calls: 311, Matching: 46, Measured: 252, Partial: 58, Blind: 59},
		OpeningMeasure: &rules.Measure{Low: 0.121, High: 0.3, Calls: 300, Matching: 30, Measured: 248, Partial: 44, Blind: 52},
		WorstMeasure:   &rules.Measure{Low: 0.224, High: 0.224, Calls: 300, Matching: 56, Measured: 250, Blind: 50},
	}
	provider := in.Worst.Call.Provider
	in.Worst = rules.Evidence{At: in.Worst.At, Severity: in.Worst.Severity, Conditions: []rules.Condition{
		{Expr: "rate(mos < 3.5) > 0.1", Text: "rate(mos < 3.5) (0.22) > 0.1", Truth: rules.True, Value: new(0.224)},
	}}
	in.Worst.Call.Provider = provider
	for i := range 24 {
		in.Trend = append(in.Trend, rules.Point{At: T0.Add(time.Duration(i-24) * 5 * time.Minute), Value: 0.02 + 0.007*float64(i)})
	}
	in.Top = []rules.Share{{Field: "connectionId", Value: "trunk-ams-2", Matched: 31, Judged: 40}, {Field: "to", Value: "+493012345678", Matched: 4, Judged: 9}}
	in.TopOf = 40
	in.Adopted = []rules.Adopted{
		{ID: "inc_child1", Rule: "bad-call", Summary: "Calls sound bad on trunk-ams-2", OpenedAt: T0.Add(-time.Minute)},
		{ID: "inc_child2", Rule: "one-way-audio", Summary: "One-way audio on Telnyx", OpenedAt: T0.Add(-2 * time.Minute)},
	}
	return in
}

func WindowResolved() rules.Incident {
	in := Window()
	in.State, in.ResolvedAt = rules.Resolved, T0.Add(47*time.Minute)
	in.Values.Resolving = new(0.021)
	return in
}

// GrownTo is the incident with n calls at a time after opening.
func GrownTo(n int, after time.Duration) rules.Incident {
	in := Grown()
	in.Counts = rules.Counts{Matched: n, Judged: 10 * n}
	in.UpdatedAt = T0.Add(after)
	in.Latest.At = in.UpdatedAt
	return in
}

// Absent is an incident of a rule about absence: there is no call of it.
func Absent() rules.Incident {
	ev := rules.Evidence{
		At: T0, Severity: rules.Critical, Call: call.Event{Identity: call.Identity{Provider: "telnyx"}},
		Conditions: []rules.Condition{{Expr: "calls == 0", Text: "no call for 30m", Truth: rules.True}},
	}
	return rules.Incident{
		ID: "no-calls-1", Rule: "no-calls", By: []rules.Label{{Name: "provider", Value: "telnyx"}},
		State: rules.Firing, Severity: rules.Critical, Mode: rules.Active,
		OpenedAt: T0, Since: T0.Add(-30 * time.Minute), UpdatedAt: T0, Summary: "No call from Telnyx any more", ResolveAfter: 20 * time.Second,
		Opening: ev, Latest: ev, Worst: ev, Samples: []rules.Evidence{ev},
	}
}

// TooFew is an incident of a rule about too few calls in a window.
func TooFew() rules.Incident {
	in := Absent()
	in.Rule, in.Summary = "few-calls", "Few calls on Telnyx"
	ev := in.Opening
	ev.Conditions = []rules.Condition{{Expr: "calls < 3", Text: "calls (1) < 3", Truth: rules.True, Value: new(1.0)}}
	in.Opening, in.Latest, in.Worst, in.Samples = ev, ev, ev, nil
	in.Counts = rules.Counts{Judged: 21}
	in.Values = &rules.Values{Name: "calls", Opening: 2, Latest: 1, Worst: 1, Direction: "down"}
	return in
}
