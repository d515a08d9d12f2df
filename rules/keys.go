package rules

import (
	"encoding/json"
	"strings"
	"time"

	"callwatch/call"
)

// key is the state of one rule for one key, made when it is missing; nil where
// the rule has as many keys as it may have. What is left out is counted.
func (g *Engine) key(i int, key string) *keyState {
	r := g.set.Rules[i]
	if k := g.st.Keys[ruleKey{r.Name, key}]; k != nil {
		return k
	}
	if g.live[i] >= r.MaxKeys {
		g.st.Rules[i].Overflow++
		return nil
	}
	k := &keyState{Rule: r.Name, Key: key}
	g.st.Keys[ruleKey{r.Name, key}] = k
	g.live[i]++
	return k
}

// leave forgets a key that holds nothing any more, or sees to it that it is
// looked at again.
func (g *Engine) leave(k *keyState) {
	if !k.idle(g.st.Now) {
		g.await(k)
		return
	}
	delete(g.st.Keys, ruleKey{k.Rule, k.Key})
	g.live[g.indexed[k.Rule]]--
}

// idle says whether nothing of the key need be remembered.
func (k *keyState) idle(now time.Time) bool {
	return k.Incident == nil && !now.Before(k.QuietTill) && !now.Before(k.CalmAt) &&
		k.Window == nil && k.Seen.IsZero() && k.Known == nil
}

// labelsOf splits a key into the labels it was joined from.
func (r *Rule) labelsOf(key string) []Label {
	labels := make([]Label, len(r.By))
	if len(labels) == 0 {
		return labels
	}
	values := strings.SplitN(key, "\x00", len(r.By))
	for i, name := range r.By {
		labels[i].Name = name
		if i < len(values) {
			labels[i].Value = values[i]
		}
	}
	return labels
}

// callOfKey is a call of which only the fields of a key are known: what an
// incident about many calls, or about none, has in their place.
func (r *Rule) callOfKey(key string) call.Event {
	known := map[string]any{}
	for i, l := range r.labelsOf(key) {
		if l.Value == "" {
			continue
		}
		known[l.Name] = l.Value
		if t := r.by[i].Type; t == call.Integer || t == call.Bool {
			known[l.Name] = json.RawMessage(l.Value)
		}
	}
	var e call.Event
	b, err := json.Marshal(known)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return call.Event{}
	}
	return e
}
