package simulate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"callwatch/normalizer"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

type object = map[string]any

// narrator tells a story in the words of one provider, request by request. A
// call of minutes is told in the seconds of span.
type narrator struct {
	*story
	source, form string
	keys         normalizer.Keys
	proof        proof
	at, span     time.Duration
	requests     []Request
}

// webhook is what a request differs in from the others of its call.
type webhook struct {
	kind   string
	callID string
	at     time.Time // when it happened, by the body
	expect Expect    // "": Normalized
	proof  proof     // nil: the form's
	agent  string    // User-Agent
	header map[string]string
}

// when is the time to send what happened at t.
func (n *narrator) when(t time.Time) time.Duration {
	before := n.ended.Sub(t)
	if life := n.ended.Sub(n.started); before > 0 && life > n.span {
		before = time.Duration(float64(before) * float64(n.span) / float64(life))
	}
	return n.at + n.span - before
}

func (n *narrator) json(w webhook, body any) { n.post(w, jsonType, encode(body)) }

func (n *narrator) values(w webhook, body url.Values) { n.post(w, formType, []byte(body.Encode())) }

// post adds a request, unless there is no key to prove it with.
func (n *narrator) post(w webhook, contentType string, body []byte) {
	r := Request{
		Provider: n.source, Kind: w.kind, CallID: w.callID, Method: http.MethodPost,
		Path: "/webhooks/" + n.source, Header: http.Header{}, Body: body,
		At:   n.when(w.at) + time.Duration(n.between(20, 180)*float64(time.Millisecond)),
		Note: n.note(w.kind), Bad: n.fault != none, Expect: w.expect,
	}
	r.Header.Set("Content-Type", contentType)
	if w.agent != "" {
		r.Header.Set("User-Agent", w.agent)
	}
	for name, value := range w.header {
		r.Header.Set(name, value)
	}
	if r.Expect == "" {
		r.Expect = Normalized
	}
	p := w.proof
	if p == nil {
		p = n.proof
	}
	if r.prove(p, n.keys) {
		n.requests = append(n.requests, r)
	}
}

func (n *narrator) note(kind string) string {
	s := n.form + " " + kind
	if n.fault != none {
		s += ": " + string(n.fault)
	}
	return s
}

// encode writes JSON as other languages do, without escaping markup.
func encode(body any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic("simulate: body of our own making: " + err.Error()) // maps, texts and finite numbers only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// direction is the story's direction in the provider's words.
func (n *narrator) direction(inbound, outbound string) string {
	if n.outbound {
		return outbound
	}
	return inbound
}

func iso(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// isoOrNil is null where the time is unknown.
func isoOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return iso(t)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// soon is a moment after the end of the call, seconds later.
func (n *narrator) soon(lo, hi float64) time.Time { return n.ended.Add(seconds(n.between(lo, hi))) }
