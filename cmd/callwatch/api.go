package main

import (
	"context"
	"encoding/json"
	"fmt"

	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// api is what the programs' interface shows and does.
func (a *app) api() *api.API {
	shown := &api.API{
		History: a.history.backend(),
		Rules:   a.rulesFile, Reload: a.reloadRules, Mark: a.mark, Latest: a.latestIncidents,
		Open: func() (open []rules.Incident) {
			a.judging.look(func(g *rules.Engine) { open = g.Incidents() })
			return open
		},
		Silences: func() []rules.Silence {
			made := []rules.Silence{}
			a.judging.look(func(g *rules.Engine) { made = g.Silences() })
			return made
		},
		Health: func() []rules.Health {
			health := []rules.Health{}
			a.judging.look(func(g *rules.Engine) { health = g.Healths() })
			return health
		},
		Progress: func() (p backend.Progress) {
			a.judging.look(func(g *rules.Engine) { p = backend.Progress{Sequence: g.Seq(), Calls: g.Calls()} })
			return p
		},
	}
	for _, token := range splitList(a.cfg.AdminToken) {
		shown.Tokens = append(shown.Tokens, api.DigestOf(token))
	}
	return shown
}

// latestIncidents are the latest of every rule and key, as they are stored.
func (a *app) latestIncidents(ctx context.Context) ([]rules.Incident, error) {
	stored, err := a.store.LastTransitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	found := make([]rules.Incident, 0, len(stored))
	for i := range stored {
		var t rules.Transition
		if err := json.Unmarshal(stored[i].Data, &t); err != nil {
			a.log.Error("stored transition cannot be read", "seq", stored[i].Seq, "err", err)
			continue
		}
		found = append(found, t.Incident)
	}
	return found, nil
}

// rulesFile is where the rules come from, and whether the engine has them.
func (a *app) rulesFile() backend.RulesFile {
	f := a.rules.Status()
	a.judging.mu.Lock()
	defer a.judging.mu.Unlock()
	f.Pending = a.judging.ordered != nil
	return f
}

func (a *app) reloadRules(ctx context.Context) (backend.RulesFile, error) {
	err := a.rules.reload(ctx)
	return a.rulesFile(), err
}
