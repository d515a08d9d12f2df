package rules

import (
	"encoding/json"
	"strconv"
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

// keyOfCall is key for the key that a call belongs to.
func (g *Engine) keyOfCall(i int, e *call.Event) *keyState {
	r := g.set.Rules[i]
	g.scratch = r.appendKey(g.scratch[:0], e)
	if k := g.st.Keys[ruleKey{r.Name, string(g.scratch)}]; k != nil {
		return k
	}
	return g.key(i, string(g.scratch))
}

// appendKey writes the key of a call, the values of its labels joined.
func (r *Rule) appendKey(b []byte, e *call.Event) []byte {
	for i := range r.by {
		if i > 0 {
			b = append(b, 0)
		}
		f := &r.by[i]
		if s, ok := f.Text(e); ok {
			b = append(b, s...)
		} else if n, ok := f.Number(e); ok {
			b = strconv.AppendInt(b, int64(n), 10)
		} else if t, ok := f.Truth(e); ok {
			b = strconv.AppendBool(b, t)
		}
	}
	return b
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
