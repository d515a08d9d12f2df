package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// ready tells whether webhooks can be made durable now, and what else is amiss.
func (a *app) ready(ctx context.Context) handlers.Readiness {
	var r handlers.Readiness
	add := func(name string, state handlers.State, cause string) {
		r.Checks = append(r.Checks, handlers.Check{Name: name, State: state, Cause: cause})
	}
	h := a.store.Health(ctx)
	if h.OK {
		add("store", handlers.Passing, "durability "+string(h.Durability))
	} else {
		add("store", handlers.Failing, strings.Join(h.Causes, "; "))
	}
	if h.Durability == stream.Unproven {
		add("durability", handlers.Degraded, "unproven: one copy on an external NATS server, whose sync settings cannot be seen; set CALLWATCH_NATS_REPLICAS=3 on a cluster")
	}
	if n := len(h.Flaws); n > 0 {
		add("integrity", handlers.Degraded, fmt.Sprintf("%d damaged places found in the store; the latest: %v", n, h.Flaws[n-1].Error()))
	} else if n := a.damage.Total(); n > 0 {
		add("integrity", handlers.Degraded, "stored webhooks or events could not be read; see the log")
	}
	if counts, latest := a.store.Foreign(); len(latest) > 0 {
		add("foreign", handlers.Degraded, foreignCause(counts, latest))
	}
	if cause := a.failures.Cause(time.Now()); cause != "" {
		add("failing", handlers.Failing, cause)
	}
	switch broken, full, forgetful := a.troubledRules(); {
	case len(broken) > 0:
		add("rules", handlers.Degraded, "with run-time errors: "+strings.Join(broken, ", "))
	case len(full) > 0:
		add("rules", handlers.Degraded, "calls are left out because max_keys was reached: "+strings.Join(full, ", "))
	case len(forgetful) > 0:
		add("rules", handlers.Degraded, "new values can no longer be told, a key has had too many: "+strings.Join(forgetful, ", "))
	default:
		add("rules", handlers.Passing, "")
	}
	if !a.store.Alone() {
		add("stages", handlers.Passing, a.leasesHeld())
	}
	if f := a.rulesFile(); f.Refused() {
		add("rules-file", handlers.Degraded, f.Trouble())
	}
	if len(a.fetch.Status()) > 0 {
		state, cause := a.fetchTrouble()
		add("fetch", state, cause)
	}
	status, troubled := a.announce.Notifier().Status(), troubled(a.receivers(ctx))
	switch {
	case !status.Configured:
		add("slack", handlers.Degraded, "no token and no output: incidents are only logged")
	case len(troubled) > 0:
		add("slack", handlers.Degraded, strings.Join(troubled, "; "))
	case status.Degraded:
		add("slack", handlers.Degraded, "incoming webhook only: no edits, threads or buttons")
	default:
		add("slack", handlers.Passing, "")
	}
	return r
}

// foreignCause names the messages in the store that callwatch did not publish.
func foreignCause(counts map[string]uint64, latest []stream.Foreign) string {
	var total uint64
	for _, n := range counts {
		total += n
	}
	parts := make([]string, 0, len(latest))
	for _, f := range slices.Backward(latest) {
		parts = append(parts, f.String())
	}
	return fmt.Sprintf("%d messages in the store are not from callwatch and are skipped; the latest: %s", total, strings.Join(parts, "; "))
}

// leasesHeld says which stages this replica works for.
func (a *app) leasesHeld() string {
	held := a.leases.Held()
	if len(held) == 0 {
		return "others work for all stages"
	}
	return "here: " + strings.Join(held, ", ")
}

// fetchTrouble says which providers cannot be asked. Fetching is degraded at worst:
// webhooks are accepted all the same.
func (a *app) fetchTrouble() (handlers.State, string) {
	var troubles []string
	for _, s := range a.fetch.Status() {
		if s.Trouble != "" {
			troubles = append(troubles, call.Source(s.Provider, s.Account)+": "+s.Trouble)
		}
	}
	if len(troubles) == 0 {
		return handlers.Passing, ""
	}
	return handlers.Degraded, strings.Join(troubles, "; ")
}

// troubledRules are those with run-time errors, those that had more keys than they
// may have, and those about new values that can no longer tell.
func (a *app) troubledRules() (broken, full, forgetful []string) {
	a.judge.Look(func(g *engine.Engine) {
		for _, h := range g.Healths() {
			if h.Errors > 0 {
				broken = append(broken, h.Rule)
			}
			if h.Overflow > 0 {
				full = append(full, h.Rule)
			}
			if h.Unremembered > 0 {
				forgetful = append(forgetful, h.Rule)
			}
		}
	})
	return broken, full, forgetful
}
