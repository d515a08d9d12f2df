// Package traffic makes webhooks of sample bodies: the calls of the samples, with ids and
// times of their own.
package traffic

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// Sample is a webhook of a call.
type Sample struct {
	Kind        string // what is sent
	Body        []byte
	ContentType string
	Header      map[string]string
	CallID      string // of the event that it becomes
	EventID     string
	Shows       []simulate.Fault // what is wrong with the call
}

// story is a call of the tests: the webhooks that are about it, in their order.
type story struct {
	callID string
	shows  []simulate.Fault
	parts  []part
	ended  time.Time // the latest time in its bodies
}

type part struct {
	kind     string
	body     any // decoded
	form     bool
	header   map[string]string
	delivery string
	at       time.Time // the latest time in the body
}

// Form renders the calls of samples, which were written about a time; nil where there is
// none.
func Form(samples []Sample, written time.Time) (form *simulate.Form, kinds []string) {
	stories := storiesOf(samples, written)
	if len(stories) == 0 {
		return nil, nil
	}
	form = &simulate.Form{Name: "webhooks", Weight: 1}
	named := map[string]bool{}
	for _, s := range stories {
		form.Shows = append(form.Shows, s.shows...)
		for _, p := range s.parts {
			named[p.kind] = true
		}
	}
	form.Render = func(n *simulate.Renderer) { render(n, stories) }
	return form, slices.Sorted(maps.Keys(named))
}

// storiesOf groups the samples by call.
func storiesOf(samples []Sample, written time.Time) []story {
	byCall := map[string]*story{}
	var order []string
	for i := range samples {
		sample := &samples[i]
		body, form := decoded(sample)
		if body == nil {
			continue
		}
		s := byCall[sample.CallID]
		if s == nil {
			s = &story{callID: sample.CallID}
			byCall[sample.CallID] = s
			order = append(order, sample.CallID)
		}
		s.shows = append(s.shows, sample.Shows...)
		p := part{kind: sample.Kind, body: body, form: form, header: sample.Header, delivery: sample.EventID}
		eachTime(body, written, func(at time.Time) {
			if at.After(p.at) {
				p.at = at
			}
		})
		if p.at.After(s.ended) {
			s.ended = p.at
		}
		s.parts = append(s.parts, p)
	}
	out := make([]story, 0, len(order))
	for _, id := range order {
		s := byCall[id]
		slices.SortStableFunc(s.parts, func(a, b part) int { return a.at.Compare(b.at) })
		out = append(out, *s)
	}
	return out
}

func decoded(s *Sample) (body any, form bool) {
	if normalizer.IsForm(s.ContentType, s.Body) {
		values, err := url.ParseQuery(string(s.Body))
		if err != nil {
			return nil, true
		}
		m := map[string]any{}
		for name := range values {
			m[name] = values.Get(name)
		}
		return m, true
	}
	return decodedJSON(s.Body), false
}

func decodedJSON(b []byte) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// render sends a story that shows the fault of the call, else a good one.
func render(n *simulate.Renderer, stories []story) {
	able := slices.DeleteFunc(slices.Clone(stories), func(s story) bool {
		if n.Fault == simulate.None || !slices.ContainsFunc(stories, func(s story) bool { return slices.Contains(s.shows, n.Fault) }) {
			return len(s.shows) > 0
		}
		return !slices.Contains(s.shows, n.Fault)
	})
	if len(able) == 0 {
		able = stories
	}
	s := able[n.IntN(len(able))]
	id := likeID(n, s.callID)
	for _, p := range s.parts {
		changed := rewritten{by: n.Ended.Sub(s.ended), around: s.ended, texts: map[string]string{s.callID: id}}
		if s.ended.IsZero() {
			changed.by = 0
		}
		if p.delivery != "" {
			changed.texts[p.delivery] = likeID(n, p.delivery)
		}
		body := changed.value(p.body)
		w := simulate.Webhook{Kind: p.kind, CallID: id, At: n.Ended, Header: p.header}
		if !p.at.IsZero() {
			w.At = p.at.Add(changed.by)
		}
		if p.form {
			values := url.Values{}
			for name, v := range body.(map[string]any) {
				s, _ := v.(string)
				values.Set(name, s)
			}
			n.Values(w, values)
			continue
		}
		n.JSON(w, body)
	}
}

// likeID is a new id in the form of another: each digit and lower hexadecimal letter is
// another one, from the seventh character on, or from the start of a short id.
func likeID(n *simulate.Renderer, id string) string {
	fresh := n.Hex(32)
	if len(id) < 12 {
		return id + "-" + fresh[:12]
	}
	b := []byte(id)
	for i, j := len(b)-1, 0; i >= 0 && j < 20; i-- {
		if c := b[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
			b[i] = fresh[j]
			j++
		}
	}
	return string(b)
}

// rewritten is a body with other texts, and with times moved.
type rewritten struct {
	by     time.Duration
	around time.Time
	texts  map[string]string
}

func (r *rewritten) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			out[name] = r.value(m)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = r.value(e)
		}
		return out
	case json.Number:
		if at, unit, ok := unixNear(v.String(), r.around); ok {
			return json.Number(unixText(at.Add(r.by), unit, v.String()))
		}
	case string:
		if other, ok := r.texts[v]; ok {
			return other
		}
		if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") {
			if inner := decodedJSON([]byte(v)); inner != nil {
				return string(simulate.Encode(r.value(inner)))
			}
		}
		if at, unit, ok := unixNear(v, r.around); ok {
			return unixText(at.Add(r.by), unit, v)
		}
		if at, layout, ok := timeIn(v); ok && near1970(at, r.around) {
			return at.Add(r.by).Format(layout)
		}
		for old, other := range r.texts {
			if len(old) >= 12 && strings.Contains(v, old) {
				return strings.ReplaceAll(v, old, other)
			}
		}
	}
	return v
}

// near1970 says whether a time is within a day of another.
func near1970(at, of time.Time) bool { return of.Sub(at).Abs() < 24*time.Hour }

// unixNear reads a number of seconds, milliseconds or microseconds since 1970 within a day
// of another time.
func unixNear(s string, of time.Time) (at time.Time, unit time.Duration, ok bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 1e9 || f > 1e17 {
		return time.Time{}, 0, false
	}
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if ns := f * float64(unit); ns < math.MaxInt64 {
			if at := time.Unix(0, int64(ns)).Round(time.Microsecond); near1970(at, of) {
				return at, unit, true
			}
		}
	}
	return time.Time{}, 0, false
}

func unixText(at time.Time, unit time.Duration, like string) string {
	f := float64(at.UnixNano()) / float64(unit)
	if _, decimals, ok := strings.Cut(like, "."); ok {
		return strconv.FormatFloat(f, 'f', len(decimals), 64)
	}
	return strconv.FormatInt(int64(f), 10)
}

func timeIn(s string) (at time.Time, layout string, ok bool) {
	if len(s) < 19 || len(s) > 40 {
		return time.Time{}, "", false
	}
	for _, layout := range []string{
		"2006-01-02T15:04:05.000000Z07:00", "2006-01-02T15:04:05.000Z07:00", time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05.000",
		"2006-01-02 15:04:05.000000-07:00", "2006-01-02 15:04:05-07:00", time.RFC1123Z,
	} {
		if at, err := time.Parse(layout, s); err == nil && at.Format(layout) == s {
			return at, layout, true
		}
	}
	return time.Time{}, "", false
}

// eachTime calls fn for each time in a body: texts and numbers that are a time within a day
// of another.
func eachTime(v any, around time.Time, fn func(time.Time)) {
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			eachTime(m, around, fn)
		}
	case []any:
		for _, e := range v {
			eachTime(e, around, fn)
		}
	case json.Number:
		if at, _, ok := unixNear(v.String(), around); ok {
			fn(at)
		}
	case string:
		if inner := decodedJSON([]byte(v)); inner != nil && (strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")) {
			eachTime(inner, around, fn)
			return
		}
		if at, _, ok := unixNear(v, around); ok {
			fn(at)
		} else if at, _, ok := timeIn(v); ok && near1970(at, around) {
			fn(at)
		}
	}
}
