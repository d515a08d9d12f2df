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
			b = appendValue(b, s)
		} else if n, ok := f.Number(e); ok {
			b = strconv.AppendInt(b, int64(n), 10)
		} else if t, ok := f.Truth(e); ok {
			b = strconv.AppendBool(b, t)
		}
	}
	return b
}

// keyEscape stands before a byte of a value that would otherwise end the value, or
// be taken for itself, plus one.
const keyEscape = 1

// appendValue writes one value of a key. Providers choose the values: no two lists
// of them may give the same key.
func appendValue(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] <= keyEscape {
			b = append(b, keyEscape, s[i]+1)
		} else {
			b = append(b, s[i])
		}
	}
	return b
}

// unescaped reads what appendValue wrote.
func unescaped(s string) string {
	if strings.IndexByte(s, keyEscape) < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == keyEscape && i+1 < len(s) {
			i++
			c = s[i] - 1
		}
		b = append(b, c)
	}
	return string(b)
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

// await sees to it that the key is looked at when its next deadline comes. A
// deadline that moves later keeps its place in the queue, so that a busy key
// has one entry there, not one for each match.
func (g *Engine) await(k *keyState) {
	due := k.due(g.st.Now)
	if due.IsZero() || !k.queued.IsZero() && !due.Before(k.queued) {
		return
	}
	k.queued = due
	g.due.push(deadline{at: due, rule: k.Rule, key: k.Key})
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
			labels[i].Value = unescaped(values[i])
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
