package engine

import (
	"cmp"
	"slices"
	"time"

	"callwatch/rules"
)

const maxSilences = 1000 // made at run time

// Mark folds what a person did, stored at a place and time of the event stream.
// What is done already, or to an incident that is not open, changes nothing.
func (g *Engine) Mark(seq uint64, at time.Time, a rules.Action) []rules.Transition {
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
	for _, k := range g.st.Keys {
		if k.Incident == nil || k.Incident.ID != a.Incident {
			continue
		}
		taken := a.Do == rules.Acknowledge
		if taken == (k.Incident.Acknowledged != nil) {
			return
		}
		step := rules.StepUnacknowledged
		k.change(func(i *rules.Incident) {
			i.Acknowledged, i.UpdatedAt = nil, g.st.Now
			if taken {
				i.Acknowledged, step = &rules.Mark{By: a.By, At: g.st.Now}, rules.StepAcknowledged
			}
		})
		k.Told = k.told()
		g.emit(step, "by "+a.By, *k.Incident)
		return
	}
}

// resolveByHand resolves an open incident, whatever its condition.
func (g *Engine) resolveByHand(a rules.Action) {
	for _, k := range g.st.Keys {
		if k.Incident != nil && k.Incident.ID == a.Incident {
			g.signal(g.set.Rules[g.indexed[k.Rule]], k.Key, signal{close: "by hand, by " + a.By, by: a.By})
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
	if !made.Compile() {
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
	var open []*KeyState
	for _, k := range g.st.Keys {
		if k.Incident != nil {
			open = append(open, k)
		}
	}
	slices.SortFunc(open, func(a, b *KeyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	for _, k := range open {
		g.cover(k, why)
	}
}

// cover updates the silence of one incident and reports a change. A
// silence that is over has ended, whatever else why says.
func (g *Engine) cover(k *KeyState, why string) {
	if k == nil || k.Incident == nil {
		return
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
	k.change(func(i *rules.Incident) { i.Silence, i.UpdatedAt = has, g.st.Now })
	k.Told = k.told()
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

// silencedTill is when the incident's silence ends; zero for never.
func (k *KeyState) silencedTill() time.Time {
	if k.Incident == nil || k.Incident.Silence == nil {
		return time.Time{}
	}
	return k.Incident.Silence.Until
}
