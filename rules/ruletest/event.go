package ruletest

import (
	"fmt"
	"maps"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// eventOfStep is the n-th event of a step, at a point in time. Facts that a call of
// its kind always has are filled in where the case does not name them.
func eventOfStep(g *rules.Given, r *rules.Rule, step, n int, at time.Time) (*call.Event, error) {
	facts := map[string]any{
		"provider": "example", "kind": string(kindOf(g, r)),
		"callId": fmt.Sprintf("call-%d-%d", step+1, n+1), "occurredAt": at,
	}
	maps.Copy(facts, usual(kindOf(g, r), g.Facts, at))
	maps.Copy(facts, g.Facts)
	for name, v := range facts {
		switch v := v.(type) {
		case nil:
			delete(facts, name)
		case rules.Offset:
			facts[name] = at.Add(time.Duration(v))
		}
	}
	if _, ok := g.Facts["id"]; !ok {
		facts["id"] = fmt.Sprintf("event-%d-%d", step+1, n+1)
	}
	e, err := rules.EventOf(facts)
	if err != nil {
		return nil, err
	}
	e.ReceivedAt = at
	return e, nil
}

func kindOf(g *rules.Given, r *rules.Rule) call.Kind {
	switch {
	case g.Kind != "":
		return g.Kind
	case r.Wakes(call.Ended) || len(r.On) == 0:
		return call.Ended
	default:
		return r.On[0]
	}
}

// usual is what goes without saying: a call that ended was completed, just now,
// unless the case tells how it failed; one with figures in between goes on.
func usual(k call.Kind, given map[string]any, at time.Time) map[string]any {
	switch k {
	case call.Ended, call.Report:
		facts := map[string]any{"endedAt": at, "final": true}
		if _, ok := given["sipCode"]; !ok && given["answered"] != false {
			facts["status"] = call.Completed
		}
		return facts
	case call.Stats:
		return map[string]any{"status": call.InProgress, "answered": true}
	}
	return nil
}

// caseStart is when cases start that say nothing else: a working day at noon.
var caseStart = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
