package notifier

import (
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// t0 is when the incidents of the tests open.
var t0 = time.Date(2026, 3, 14, 2, 14, 0, 0, time.UTC)

func badCall(id string, mos float64) call.Event {
	return call.Event{
		Identity: call.Identity{Provider: "telnyx", CallID: id, OccurredAt: t0.Add(-5 * time.Second)},
		Facts: call.Facts{
			Direction: call.Outbound, Status: call.Completed, From: "+15551234567", To: "+493012345678",
			StartedAt: t0.Add(-2 * time.Minute), DurationSec: new(112.0), Codec: "opus",
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
			{Expr: "mos < 3.5", Text: "mos (" + string(figure(*e.MOS, "MOS")) + ") < 3.5", Truth: rules.True},
			{Expr: "rttMs > 500", Text: "rttMs (210) > 500", Truth: rules.False},
		},
	}
}

func opened() rules.Incident {
	ev := evidence(t0, badCall("v3:7KpQz", 3.12))
	return rules.Incident{
		ID: "bad-call-1", Rule: "bad-call", By: []rules.Label{{Name: "provider", Value: "telnyx"}},
		State: rules.Firing, Severity: rules.Warning, Mode: rules.Active,
		OpenedAt: t0, UpdatedAt: t0, Summary: "Calls sound bad on Telnyx", Owner: "voice-ops",
		Runbook: "https://wiki.example/voice/quality?a=1&b=2", ResolveAfter: 30 * time.Minute,
		Counts:  rules.Counts{Matched: 1, Judged: 1},
		Opening: ev, Latest: ev, Worst: ev, Samples: []rules.Evidence{ev},
	}
}

func grown() rules.Incident {
	in := opened()
	in.UpdatedAt = t0.Add(9 * time.Minute)
	in.Latest = evidence(in.UpdatedAt, badCall("v3:Latest", 3.3))
	in.Worst = evidence(t0.Add(3*time.Minute), badCall("v3:Worst", 1.94))
	in.Samples = []rules.Evidence{in.Worst, in.Opening, in.Latest}
	in.Counts = rules.Counts{Matched: 17, Judged: 212, Unjudged: 24}
	return in
}

func escalated() rules.Incident {
	in := grown()
	in.Severity = rules.Critical
	return in
}

func resolved() rules.Incident {
	in := escalated()
	in.State, in.ResolvedAt = rules.Resolved, t0.Add(47*time.Minute)
	in.UpdatedAt = in.ResolvedAt
	good := badCall("v3:Good", 4.21)
	good.MOSSource, good.MOSScope, good.MOSGrounding, good.MOSMissing = call.FromProvider, "", "", nil
	ev := evidence(t0.Add(46*time.Minute), good)
	ev.Conditions = []rules.Condition{
		{Expr: "packetsLost > 50", Text: "packetsLost (2) > 50", Truth: rules.False},
		{Expr: "mos < 3.5", Text: "mos (4.21) < 3.5", Truth: rules.False},
	}
	in.Resolving = &ev
	return in
}

// bare is as little as an incident can say.
func bare() rules.Incident {
	ev := rules.Evidence{Call: call.Event{Identity: call.Identity{Provider: "acme", CallID: "x"}}}
	return rules.Incident{ID: "bare-1", Rule: "bare", State: rules.Firing, Severity: rules.Info, Opening: ev, Latest: ev, Worst: ev}
}

// hostile is as nasty as a provider's data can make it.
func hostile() rules.Incident {
	nasty := "<!channel> @here & <@U1|x> `rm` *_~\n> *Resolved* \u202e<https://evil.example|safe> " + strings.Repeat("𝔘<", 3000)
	in := escalated()
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
	in.Acknowledged = &rules.Mark{By: nasty}
	for i := range 40 {
		in.Trend = append(in.Trend, rules.Point{At: t0.Add(time.Duration(i) * time.Second), Value: float64(i)})
		in.Adopted = append(in.Adopted, rules.Adopted{ID: nasty, Rule: nasty, Summary: nasty})
	}
	for range 20 {
		in.Samples = append(in.Samples, in.Worst)
	}
	return in
}

func title(provider string) string {
	return map[string]string{"telnyx": "Telnyx"}[provider]
}
