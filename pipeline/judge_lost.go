package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// putBack stores transitions again that damage took from ALERTS, as far as the engine knows of them:
// an open incident that has none is stored as opened, and one that is stored as open and is no
// longer is stored as resolved. What was announced has the same name and is not announced again.
// It is called between two events, when all transitions up to engine.Seq are stored.
func (j *Judge) putBack(ctx context.Context, engine *engine.Engine) error {
	if j.cfg.Store.TransitionsLost() == j.lost {
		return nil
	}
	stored, err := j.cfg.Store.LastTransitions(ctx)
	if err != nil {
		return fmt.Errorf("look for lost transitions: %w", err)
	}
	var again []rules.Transition
	open, known := map[string]bool{}, map[string]bool{}
	incidents := engine.Incidents()
	for i := range incidents {
		open[incidents[i].ID] = true
	}
	// Behind all that the event or tick of that sequence caused.
	cause := rules.Cause{Seq: engine.Seq(), Index: math.MaxInt32}
	for i := range stored {
		var t rules.Transition
		if json.Unmarshal(stored[i].Data, &t) != nil {
			continue
		}
		known[t.Incident.ID] = true
		if t.Incident.State == rules.Resolved || open[t.Incident.ID] || t.Cause.Seq > cause.Seq {
			continue
		}
		t.Step, t.Reason = rules.StepResolved, "damage took the transition that says why"
		t.Incident.State, t.Incident.ResolvedAt, t.Incident.UpdatedAt = rules.Resolved, engine.Now(), engine.Now()
		again = append(again, t)
	}
	for i := range incidents {
		if !known[incidents[i].ID] {
			again = append(again, rules.Transition{Step: rules.StepOpened, Reason: "damage took the transition that says why", Incident: incidents[i]})
		}
	}
	for _, t := range again {
		t.At, t.Cause = engine.Now(), cause
		if err := j.store(ctx, t, &call.Event{}); err != nil {
			return err
		}
	}
	j.cfg.Log.Warn("stored transitions again that damage had removed", "incidents", len(again))
	if err := j.cfg.Store.TransitionsStoredAgain(); err != nil {
		return fmt.Errorf("note what is stored again: %w", err)
	}
	j.lost = j.cfg.Store.TransitionsLost()
	return nil
}
