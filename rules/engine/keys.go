package engine

import (
	"callwatch/call"
	"callwatch/rules/engine/lifecycle"
)

// key is the state of one rule for one key, made when it is missing; nil where
// the rule has as many keys as it may have. What is left out is counted.
func (g *Engine) key(i int, key string) *lifecycle.KeyState {
	r := g.set.Rules[i]
	if k := g.st.Keys[ruleKey{r.Name, key}]; k != nil {
		return k
	}
	if g.live[i] >= r.MaxKeys {
		g.st.Rules[i].Overflow++
		return nil
	}
	k := &lifecycle.KeyState{Rule: r.Name, Key: key}
	g.st.Keys[ruleKey{r.Name, key}] = k
	g.live[i]++
	return k
}

// keyOfCall is key for the key that a call belongs to.
func (g *Engine) keyOfCall(i int, e *call.Event) *lifecycle.KeyState {
	r := g.set.Rules[i]
	g.scratch = r.AppendKey(g.scratch[:0], e)
	if k := g.st.Keys[ruleKey{r.Name, string(g.scratch)}]; k != nil {
		return k
	}
	return g.key(i, string(g.scratch))
}

// leave forgets a key that holds nothing any more, or sees to it that it is
// looked at again.
func (g *Engine) leave(k *lifecycle.KeyState) {
	if !k.Idle(g.st.Now) {
		g.await(k)
		return
	}
	delete(g.st.Keys, ruleKey{k.Rule, k.Key})
	g.live[g.indexed[k.Rule]]--
}

// await sees to it that the key is looked at when its next deadline comes. A
// deadline that moves later keeps its place in the queue, so that a busy key
// has one entry there, not one for each match.
func (g *Engine) await(k *lifecycle.KeyState) {
	due := k.Due(g.st.Now)
	if due.IsZero() || !k.Queued.IsZero() && !due.Before(k.Queued) {
		return
	}
	k.Queued = due
	g.due.push(deadline{at: due, rule: k.Rule, key: k.Key})
}
