package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/pipeline/maintenance"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// api is what the programs' interface shows and does.
func (a *app) api() *api.API {
	shown := &api.API{
		History: a.reads(),
		Rules:   a.rulesFile, Reload: a.reloadRules, Act: a.act, Latest: a.latestIncidents,
		Open: func() (open []rules.Incident) {
			a.judge.Look(func(g *engine.Engine) { open = g.Incidents() })
			return open
		},
		Silences: func() []rules.Silence {
			made := []rules.Silence{}
			a.judge.Look(func(g *engine.Engine) { made = g.Silences() })
			return made
		},
		Health: func() []rules.Health {
			health := []rules.Health{}
			a.judge.Look(func(g *engine.Engine) { health = g.Healths() })
			return health
		},
		Keys: func(rule string) (keys []rules.KeyHealth) {
			a.judge.Look(func(g *engine.Engine) { keys = g.KeyHealths(rule) })
			return keys
		},
		Progress: func() (p backend.Progress) {
			a.judge.Look(func(g *engine.Engine) { p = backend.Progress{Sequence: g.Seq(), Calls: g.Calls()} })
			return p
		},
	}
	return shown
}

// reads is what API and console read.
func (a *app) reads() *backend.History {
	h := a.query.Backend()
	h.Status, h.Receivers = a.status, a.receivers
	if a.model != nil {
		h.Model = a.model.ReadModel()
	}
	h.Store, h.PruneStore, h.Backup = a.maintenance.StoreSize, a.maintenance.Prune, a.maintenance.Backup
	h.Replay = func(ctx context.Context, ids []string) (backend.Replayed, error) {
		done, err := a.maintenance.ReplayDeadLetters(ctx, ids)
		var unknown *maintenance.Refusal
		if errors.As(err, &unknown) {
			err = fmt.Errorf("%w: %w", backend.ErrNotFound, unknown)
		}
		return done, err
	}
	return h
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
	f.Pending = a.judge.Replacing()
	return f
}

func (a *app) reloadRules(ctx context.Context) (backend.RulesFile, error) {
	err := a.rules.Reload(ctx)
	return a.rulesFile(), err
}
