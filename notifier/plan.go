package notifier

import (
	"time"

	"callwatch/rules"
)

// editEvery is how often counts alone change a root.
const editEvery = 30 * time.Second

// Want is what a receiver shall show of an incident.
type Want struct {
	Incident rules.Incident
	Cause    rules.Cause
	Lines    []Line // named transitions to announce, oldest first
	storm    *StormView
	lift     bool // out of the storm it was told in: it deserves a thread now
}

// merge takes in what o wants. Only a later incident replaces the one at hand;
// lines are wanted in any case.
func (w *Want) merge(o Want) {
	if w.Incident.ID == "" || o.Cause.After(w.Cause) {
		w.Incident, w.Cause, w.storm = o.Incident, o.Cause, o.storm
	}
	w.lift = w.lift || o.lift
	for _, l := range o.Lines {
		if !w.has(l.Name) {
			w.Lines = append(w.Lines, l)
		}
	}
}

func (w *Want) has(name string) bool {
	for i := range w.Lines {
		if w.Lines[i].Name == name {
			return true
		}
	}
	return false
}

// Action is one call to a receiver that brings it closer to what is wanted.
type Action struct {
	Do   Operation
	Line Line // of posts, looks and pushes; its name is rootName for the root
	Due  time.Time
	Rank Rank
}

type Operation string

const (
	post Operation = "post"
	look Operation = "look" // whether an unclear post is there
	edit Operation = "edit" // the root
	Push Operation = "push" // to an output, which takes the same thing twice
)

// Rank orders actions that are due at the same time: the lowest goes first.
type Rank int

const (
	rankResolve Rank = iota
	rankCritical
	rankNew
	rankDetail
	RankCount
)

// plan lists, in their order, the actions that remain. digest is that of the root as
// wanted, and called only where a root is there. The first action has to be done before
// the second: a line belongs below a root that shows at least its state.
func plan(r *Record, w *Want, digest func() string) []Action {
	root := r.Sent[rootName]
	if root.State == parked || r.MovedTo != "" || w.Incident.ID == "" || unannounced(r, w) {
		return nil
	}
	var acts []Action
	if root.State != delivered {
		acts = append(acts, r.send(Line{Name: rootName}, Urgency(&w.Incident)))
	}
	behind := root.State == delivered && !r.Frozen && w.Cause.After(r.Shows.Cause) && r.Shows.Hash != digest()
	named := behind && r.Shows.State != shownState(&w.Incident)
	if named {
		acts = append(acts, Action{Do: edit, Rank: Urgency(&w.Incident)})
	}
	for _, l := range linesOf(r, w) {
		if m := r.Sent[l.Name]; m.State != delivered && m.State != parked {
			acts = append(acts, r.send(l, lineRank(l)))
		}
	}
	if behind && !named && w.Incident.Silence == nil {
		acts = append(acts, Action{Do: edit, Due: r.Shows.At.Add(editEvery), Rank: RankCount})
	}
	if root.State != delivered { // nobody waits for the end of what was never announced
		for i := range acts {
			acts[i].Rank = max(acts[i].Rank, rankCritical)
		}
	}
	return acts
}

// unannounced says whether the incident has no thread of its own and shall have
// none: silenced, adopted or told in a storm before its root was posted.
func unannounced(r *Record, w *Want) bool {
	if r.Sent[rootName].State != unsent || r.doubts(&Line{Name: rootName}) {
		return false
	}
	in := &w.Incident
	return in.Silence != nil || in.Parent != "" || r.Storm != nil && !w.lift
}

// linesOf are the lines the thread is to have: the opening, those asked for,
// the incidents adopted, and what the incident shows was skipped.
func linesOf(r *Record, w *Want) []Line {
	in := &w.Incident
	if w.storm != nil {
		return w.Lines
	}
	var ls []Line
	if !Quiet(in) {
		ls = append(ls, Line{Name: openedName, Step: rules.StepOpened, Incident: *in})
	}
	ls = append(ls, w.Lines...)
	if !w.Cause.After(r.Shows.Cause) && r.Shows.State != shownState(in) {
		return ls // a replay of the past: nothing can be concluded from it
	}
	made := Line{skipped: true, At: in.UpdatedAt, Cause: w.Cause, Incident: *in}
	if !Quiet(in) {
		if l, ok := adoptedLine(r, made); ok {
			ls = append(ls, l)
		}
		if r.Severity != "" && in.Severity.Worse(r.Severity) && !w.has(escalatedName(in.Severity)) {
			made.Name, made.Step = escalatedName(in.Severity), rules.StepEscalated
			ls = append(ls, made)
		}
	}
	if in.State == rules.Resolved && in.Parent == "" && !w.has(resolvedName) {
		made.Name, made.Step = resolvedName, rules.StepResolved
		ls = append(ls, made)
	}
	return ls
}

// send posts a message, or looks for it first where an attempt ended unclear or
// the record of it may be lost.
func (r *Record) send(l Line, rk Rank) Action {
	if r.Sent[l.Name].State == attempting || r.doubts(&l) {
		return Action{Do: look, Line: l, Rank: rk}
	}
	return Action{Do: post, Line: l, Rank: rk}
}

func Urgency(in *rules.Incident) Rank {
	switch {
	case in.State == rules.Resolved:
		return rankResolve
	case in.Severity == rules.Critical:
		return rankCritical
	default:
		return rankNew
	}
}

func lineRank(l Line) Rank {
	switch l.Step {
	case rules.StepOpened, rules.StepAdopted, StepListed:
		return rankDetail
	}
	return Urgency(&l.Incident)
}

// first is the lowest rank among actions: what comes later in a thread lends
// its urgency to what has to be done before.
func first(acts []Action) Rank {
	lowest := RankCount
	for _, a := range acts {
		lowest = min(lowest, a.Rank)
	}
	return lowest
}
