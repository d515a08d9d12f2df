package engine

import (
	"time"

	"callwatch/call"
)

// key is the state of one rule for one key, made when it is missing; nil where
// the rule has as many keys as it may have. What is left out is counted.
func (g *Engine) key(i int, key string) *KeyState {
	r := g.set.Rules[i]
	if k := g.st.Keys[ruleKey{r.Name, key}]; k != nil {
		return k
	}
	if g.live[i] >= r.MaxKeys {
		g.st.Rules[i].Overflow++
		return nil
	}
	k := &KeyState{Rule: r.Name, Key: key}
	g.st.Keys[ruleKey{r.Name, key}] = k
	g.live[i]++
	return k
}

// keyOfCall is key for the key that a call belongs to.
func (g *Engine) keyOfCall(i int, e *call.Event) *KeyState {
	r := g.set.Rules[i]
	g.scratch = r.AppendKey(g.scratch[:0], e)
	if k := g.st.Keys[ruleKey{r.Name, string(g.scratch)}]; k != nil {
		return k
	}
	return g.key(i, string(g.scratch))
}

// leave forgets a key that holds nothing any more, or sees to it that it is
// looked at again.
func (g *Engine) leave(k *KeyState) {
	if !k.idle(g.st.Now) {
		g.await(k)
		return
	}
	delete(g.st.Keys, ruleKey{k.Rule, k.Key})
	g.live[g.indexed[k.Rule]]--
}

// await sees to it that the key is looked at when its next deadline comes. A
// deadline that moves later keeps its place in the queue, so that a busy key
// has one entry there, not one for each match.
func (g *Engine) await(k *KeyState) {
	due := k.due(g.st.Now)
	if due.IsZero() || !k.queued.IsZero() && !due.Before(k.queued) {
		return
	}
	k.queued = due
	g.due.push(deadline{at: due, rule: k.Rule, key: k.Key})
}

// idle says whether nothing of the key need be remembered.
func (k *KeyState) idle(now time.Time) bool {
	return k.Incident == nil && !now.Before(k.QuietTill) && !now.Before(k.CalmAt) &&
		k.Window == nil && k.Seen.IsZero() && !k.Expected && k.Known == nil
}
