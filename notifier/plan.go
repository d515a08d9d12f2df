package notifier

import (
	"time"

	"callwatch/rules"
)

// editEvery is how often counts alone change a root.
const editEvery = 30 * time.Second

// want is what a receiver shall show of an incident.
type want struct {
	incident rules.Incident
	cause    rules.Cause
	lines    []line // named transitions to announce, oldest first
	storm    *stormView
	lift     bool // out of the storm it was told in: it deserves a thread now
}

// merge takes in what o wants. Only a later incident replaces the one at hand;
// lines are wanted in any case.
func (w *want) merge(o want) {
	if w.incident.ID == "" || o.cause.After(w.cause) {
		w.incident, w.cause, w.storm = o.incident, o.cause, o.storm
	}
	w.lift = w.lift || o.lift
	for _, l := range o.lines {
		if !w.has(l.name) {
			w.lines = append(w.lines, l)
		}
	}
}

func (w *want) has(name string) bool {
	for i := range w.lines {
		if w.lines[i].name == name {
			return true
		}
	}
	return false
}

// action is one call to a receiver that brings it closer to what is wanted.
type action struct {
	do   doing
	line line // of posts, looks and pushes; its name is rootName for the root
	due  time.Time
	rank rank
}

type doing string

const (
	post doing = "post"
	look doing = "look" // whether an unclear post is there
	edit doing = "edit" // the root
	push doing = "push" // to an output, which takes the same thing twice
)

// rank orders actions that are due at the same time: the lowest goes first.
type rank int

const (
	rankResolve rank = iota
	rankCritical
	rankNew
	rankDetail
	rankCount
)

// plan lists, in their order, the actions that remain. hash is that of the
// root's content as wanted. The first action has to be done before the second:
// a line belongs below a root that shows at least its state.
func plan(r *record, w *want, hash string) []action {
	root := r.Sent[rootName]
	if root.State == parked || r.MovedTo != "" || w.incident.ID == "" || unannounced(r, w) {
		return nil
	}
	var acts []action
	if root.State != delivered {
		acts = append(acts, r.send(line{name: rootName}, urgency(&w.incident)))
	}
	behind := root.State == delivered && !r.Frozen && w.cause.After(r.Shows.Cause) && r.Shows.Hash != hash
	named := behind && r.Shows.Mark != mark(&w.incident)
	if named {
		acts = append(acts, action{do: edit, rank: urgency(&w.incident)})
	}
	for _, l := range linesOf(r, w) {
		if m := r.Sent[l.name]; m.State != delivered && m.State != parked {
			acts = append(acts, r.send(l, lineRank(l)))
		}
	}
	if behind && !named && w.incident.Silence == nil {
		acts = append(acts, action{do: edit, due: r.Shows.At.Add(editEvery), rank: rankCount})
	}
	if root.State != delivered { // nobody waits for the end of what was never announced
		for i := range acts {
			acts[i].rank = max(acts[i].rank, rankCritical)
		}
	}
	return acts
}

// unannounced says whether the incident has no thread of its own and shall have
// none: silenced, adopted or told in a storm before its root was posted.
func unannounced(r *record, w *want) bool {
	if r.Sent[rootName].State != unsent || r.doubts(&line{name: rootName}) {
		return false
	}
	in := &w.incident
	return in.Silence != nil || in.Parent != "" || r.Storm != nil && !w.lift
}

// linesOf are the lines the thread is to have: the opening, those asked for,
// the incidents adopted, and what the incident shows was skipped.
func linesOf(r *record, w *want) []line {
	in := &w.incident
	if w.storm != nil {
		return w.lines
	}
	var ls []line
	if !quiet(in) {
		ls = append(ls, line{name: openedName, step: rules.StepOpened, incident: *in})
	}
	ls = append(ls, w.lines...)
	if !w.cause.After(r.Shows.Cause) && r.Shows.Mark != mark(in) {
		return ls // a replay of the past: nothing can be concluded from it
	}
	made := line{skipped: true, at: in.UpdatedAt, cause: w.cause, incident: *in}
	if !quiet(in) {
		if l, ok := adoptedLine(r, made); ok {
			ls = append(ls, l)
		}
		if r.Severity != "" && in.Severity.Worse(r.Severity) && !w.has(escalatedName(in.Severity)) {
			made.name, made.step = escalatedName(in.Severity), rules.StepEscalated
			ls = append(ls, made)
		}
	}
	if in.State == rules.Resolved && in.Parent == "" && !w.has(resolvedName) {
		made.name, made.step = resolvedName, rules.StepResolved
		ls = append(ls, made)
	}
	return ls
}

// send posts a message, or looks for it first where an attempt ended unclear or
// the record of it may be lost.
func (r *record) send(l line, rk rank) action {
	if r.Sent[l.name].State == attempting || r.doubts(&l) {
		return action{do: look, line: l, rank: rk}
	}
	return action{do: post, line: l, rank: rk}
}

func urgency(in *rules.Incident) rank {
	switch {
	case in.State == rules.Resolved:
		return rankResolve
	case in.Severity == rules.Critical:
		return rankCritical
	default:
		return rankNew
	}
}

func lineRank(l line) rank {
	switch l.step {
	case rules.StepOpened, rules.StepAdopted, stepListed:
		return rankDetail
	}
	return urgency(&l.incident)
}

// first is the lowest rank among actions: what comes later in a thread lends
// its urgency to what has to be done before.
func first(acts []action) rank {
	lowest := rankCount
	for _, a := range acts {
		lowest = min(lowest, a.rank)
	}
	return lowest
}
