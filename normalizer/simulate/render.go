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
	JSONType = "application/json"
	FormType = "application/x-www-form-urlencoded"
)

type Object = map[string]any

// Renderer tells a story in the words of one provider, request by request. A
// call of minutes is told in the seconds of span.
type Renderer struct {
	*Call
	Source, Form string
	Keys         normalizer.Keys
	Proof        Proof
	at, Span     time.Duration
	Requests     []Request
}

// Webhook is what a request differs in from the others of its call.
type Webhook struct {
	Kind   string
	CallID string
	At     time.Time // when it happened, by the body
	Expect Expect    // "": Normalized
	Proof  Proof     // nil: the form's
	Agent  string    // User-Agent
	Header map[string]string
}

// when is the time to send what happened at t.
func (n *Renderer) when(t time.Time) time.Duration {
	before := n.Ended.Sub(t)
	if life := n.Ended.Sub(n.Started); before > 0 && life > n.Span {
		before = time.Duration(float64(before) * float64(n.Span) / float64(life))
	}
	return n.at + n.Span - before
}

func (n *Renderer) JSON(w Webhook, body any) { n.post(w, JSONType, Encode(body)) }

func (n *Renderer) Values(w Webhook, body url.Values) { n.post(w, FormType, []byte(body.Encode())) }

// post adds a request, unless there is no key to prove it with.
func (n *Renderer) post(w Webhook, contentType string, body []byte) {
	r := Request{
		Provider: n.Source, Kind: w.Kind, CallID: w.CallID, Method: http.MethodPost,
		Path: "/webhooks/" + n.Source, Header: http.Header{}, Body: body,
		At:   n.when(w.At) + time.Duration(n.Between(20, 180)*float64(time.Millisecond)),
		Note: n.note(w.Kind), Bad: n.Fault != None, Expect: w.Expect,
	}
	r.Header.Set("Content-Type", contentType)
	if w.Agent != "" {
		r.Header.Set("User-Agent", w.Agent)
	}
	for name, value := range w.Header {
		r.Header.Set(name, value)
	}
	if r.Expect == "" {
		r.Expect = Normalized
	}
	p := w.Proof
	if p == nil {
		p = n.Proof
	}
	if r.prove(p, n.Keys) {
		n.Requests = append(n.Requests, r)
	}
}

func (n *Renderer) note(kind string) string {
	s := n.Form + " " + kind
	if n.Fault != None {
		s += ": " + string(n.Fault)
	}
	return s
}

// Encode writes JSON as other languages do, without escaping markup.
func Encode(body any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic("simulate: body of our own making: " + err.Error()) // maps, texts and finite numbers only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Direction is the story's direction in the provider's words.
func (n *Renderer) Direction(inbound, outbound string) string {
	if n.Outbound {
		return outbound
	}
	return inbound
}

func ISO(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// ISOOrNil is null where the time is unknown.
func ISOOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return ISO(t)
}

func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Soon is a moment after the end of the call, seconds later.
func (n *Renderer) Soon(lo, hi float64) time.Time { return n.Ended.Add(Seconds(n.Between(lo, hi))) }
