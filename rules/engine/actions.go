package engine

import (
	"cmp"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/lifecycle"
)

const maxSilences = 1000 // made at run time

// Act folds what a person did, stored at a place and time of the event stream.
// What is done already, or to an incident that is not open, changes nothing.
func (g *Engine) Act(seq uint64, at time.Time, a rules.Action) []rules.Transition {
	if a.Do == rules.Resume && seq > g.st.Seq {
		g.resume(at.UTC().Round(0))
	}
	if !g.begin(seq, at) {
		return nil
	}
	switch a.Do {
	case rules.Acknowledge, rules.Unacknowledge:
		g.acknowledge(a)
	case rules.Resolve:
		g.resolveByHand(a)
	case rules.Assign:
		to := "nobody"
		if a.To != "" {
			to = a.To
		}
		g.annotate(a.Incident, rules.StepAssigned, "to "+to+", by "+a.By, func(i *rules.Incident) bool { return i.Assign(a.To, a.By, g.st.Now) })
	case rules.AddNote:
		g.annotate(a.Incident, rules.StepNoted, "by "+a.By, func(i *rules.Incident) bool { return i.Note(a.Text, a.By, g.st.Now) })
	case rules.AddSilence:
		g.addSilence(a)
	case rules.ExpireSilence:
		g.expireSilence(a)
	case rules.DisableRule:
		g.disable(a.Rule)
	}
	return g.out
}

func (g *Engine) acknowledge(a rules.Action) {
	taken, step := a.Do == rules.Acknowledge, rules.StepUnacknowledged
	if taken {
		step = rules.StepAcknowledged
	}
	g.annotate(a.Incident, step, "by "+a.By, func(i *rules.Incident) bool {
		if taken == (i.Acknowledged != nil) {
			return false
		}
		if i.Acknowledged = nil; taken {
			i.Acknowledged = &rules.Actor{By: a.By, At: g.st.Now}
		}
		return true
	})
}

// annotate lets a person add something to an open incident, which its life goes on
// without; f reports whether that changes anything.
func (g *Engine) annotate(id string, step rules.Step, reason string, f func(*rules.Incident) bool) {
	for _, k := range g.st.Keys {
		if k.Incident == nil || k.Incident.ID != id {
			continue
		}
		in := *k.Incident
		if !f(&in) {
			return
		}
		in.UpdatedAt = g.st.Now
		k.Incident = &in
		k.MarkTold()
		g.emit(step, reason, in)
		return
	}
}

// resolveByHand resolves an open incident, whatever its condition.
func (g *Engine) resolveByHand(a rules.Action) {
	for _, k := range g.st.Keys {
		if k.Incident != nil && k.Incident.ID == a.Incident {
			g.signal(g.set.Rules[g.indexed[k.Rule]], k.Key, lifecycle.Signal{Close: "by hand, by " + a.By, By: a.By})
			return
		}
	}
}

func (g *Engine) addSilence(a rules.Action) {
	g.forgetSilences()
	made := rules.CompiledSilence{Silence: *a.Silence}
	made.By, made.Until = a.By, made.Until.UTC()
	known := slices.ContainsFunc(g.st.Silences, func(s rules.CompiledSilence) bool { return s.ID == made.ID })
	if known || !made.Live(g.st.Now) || len(g.st.Silences) >= maxSilences {
		return
	}
	if !made.Compile(g.set) {
		return
	}
	g.st.Silences = append(g.st.Silences, made)
	g.coverAll(silenced(&made.Silence))
}

func (g *Engine) expireSilence(a rules.Action) {
	g.forgetSilences()
	for i := range g.st.Silences {
		if s := &g.st.Silences[i]; s.ID == a.Silence.ID && !s.Ended {
			s.Ended = true
			g.coverAll("ended by " + a.By)
		}
	}
}

// forgetSilences drops those whose time is over.
func (g *Engine) forgetSilences() {
	g.st.Silences = slices.DeleteFunc(g.st.Silences, func(s rules.CompiledSilence) bool { return !g.st.Now.Before(s.Until) })
}

// Silences are those in force, of the rules file and made at run time, the one
// that ends first at the front.
func (g *Engine) Silences() []rules.Silence {
	return rules.InForce(g.st.Now, g.set.FileSilences, g.st.Silences)
}

// silenceOf is what covers an incident now; nil for nothing.
func (g *Engine) silenceOf(in *rules.Incident) *rules.Silence {
	if len(g.set.FileSilences) == 0 && len(g.st.Silences) == 0 {
		return nil
	}
	return rules.SilencedBy(in, g.st.Now, g.set.FileSilences, g.st.Silences)
}

// coverAll lets every open incident follow a change of the silences.
func (g *Engine) coverAll(why string) {
	var open []*lifecycle.KeyState
	for _, k := range g.st.Keys {
		if k.Incident != nil {
			open = append(open, k)
		}
	}
	slices.SortFunc(open, func(a, b *lifecycle.KeyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	for _, k := range open {
		g.cover(k, why)
	}
}

// cover updates the silence of one incident and reports a change. A
// silence that is over has ended, whatever else why says.
func (g *Engine) cover(k *lifecycle.KeyState, why string) {
	if k == nil || k.Incident == nil {
		return
	}
	if begins := g.set.SilenceBegins(g.st.Now); !begins.Equal(k.SilenceAt) {
		k.SilenceAt = begins
		g.await(k)
	}
	had, has := k.Incident.Silence, g.silenceOf(k.Incident)
	step := rules.StepSilenced
	switch {
	case had == nil && has == nil:
		return
	case has == nil:
		step = rules.StepUnsilenced
		if !g.st.Now.Before(had.Until) {
			why = "the silence is over"
		}
	case had != nil && had.ID == has.ID && had.Until.Equal(has.Until):
		return
	default:
		why = silenced(has)
	}
	k.Change(func(i *rules.Incident) { i.Silence, i.UpdatedAt = has, g.st.Now })
	k.MarkTold()
	g.emit(step, why, *k.Incident)
	g.await(k)
}

// silenced is a silence in words.
func silenced(s *rules.Silence) string {
	text := "until " + s.Until.UTC().Format(time.RFC3339)
	if s.By != "" {
		text += " by " + s.By
	}
	if s.Comment != "" {
		text += ": " + s.Comment
	}
	return text
}
