// Package declared makes providers of YAML files: how a webhook is verified, what its
// members mean, how reports are fetched, and bodies to test it with. A mapping is an
// expression of expr-lang, which reads one body and nothing else.
package declared

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/declared/expression"
	"callwatch/normalizer/declared/signing"
)

// Declaration is a compiled file.
type Declaration struct {
	Name, Title, Doc string
	File             string
	Tests            []Test

	settings []normalizer.Setting
	headers  []string
	verify   []signing.Scheme
	body     bodyForm
	events   []event
	ignore   *expression.Expression
	refuse   bool // a record that no event is for is an error, not ignored
	causes   map[string]normalizer.Cause
	fetch    *fetch
	supplies []string
	signsURL bool
	replay   time.Duration
	unsigned bool
}

// bodyForm is how a body is read.
type bodyForm struct {
	format   string           // json, form; "" is what the content type says
	each     *expression.Path // of the list whose elements are records; nil: the body is one, or a list of them
	embedded [][]string
	id       *expression.Expression
	raw      *expression.Path
	without  []string
}

// event is one kind of record.
type event struct {
	name      string
	when      *expression.Expression // nil: any
	kind      call.Kind
	final     *expression.Expression
	set       []assignment
	counters  bool // cumulative since the start of the stream
	segment   *expression.Expression
	intervals *parts
	turns     *parts
}

// assignment gives a field a value.
type assignment struct {
	name  string
	field call.Field
	value *expression.Expression
}

// parts are figures of parts of a call: its intervals, or the turns of its agent.
type parts struct {
	each *expression.Path // nil: the record is one part
	set  []assignment
}

// Live is a declaration that may be replaced while it is in use.
type Live struct{ current atomic.Pointer[Declaration] }

// NewLive holds a declaration.
func NewLive(d *Declaration) *Live {
	l := &Live{}
	l.current.Store(d)
	return l
}

// Get is the declaration in force.
func (l *Live) Get() *Declaration { return l.current.Load() }

// Replace puts another declaration of the same provider into force.
func (l *Live) Replace(d *Declaration) { l.current.Store(d) }

// Waiting names what keeps another declaration of the same provider from being taken before
// the next start: secrets come from the environment, and stages are made at the start.
func (l *Live) Waiting(d *Declaration) []string {
	have := l.Get()
	var waiting []string
	differs := func(what string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			waiting = append(waiting, what)
		}
	}
	names := func(all []normalizer.Setting) (out []string) {
		for _, s := range all {
			out = append(out, s.Name+" for "+string(s.Use))
		}
		return out
	}
	differs("settings", names(have.settings), names(d.settings))
	differs("causes", have.causes, d.causes)
	differs("headers", have.headers, d.headers)
	differs("whether webhooks are signed", have.unsigned, d.unsigned)
	differs("whether signatures cover the address", have.signsURL, d.signsURL)
	differs("how long a repeated webhook is the same", have.replay, d.replay)
	differs("whether reports are fetched", have.fetch == nil, d.fetch == nil)
	if have.fetch != nil && d.fetch != nil {
		differs("rate of fetching", have.fetch.rate, d.fetch.rate)
		differs("delays of fetching", have.fetch.delays, d.fetch.delays)
	}
	return waiting
}

// Provider is the provider of a declaration.
func (d *Declaration) Provider() normalizer.Provider { return NewLive(d).Provider() }

// Provider is the provider whose declaration may be replaced. What Waiting names stays as it
// is when the provider is made.
func (l *Live) Provider() normalizer.Provider {
	d := l.Get()
	p := normalizer.Provider{
		Name: d.Name, Title: d.Title, Settings: d.settings, Supplies: d.supplies, Headers: d.headers, Causes: d.causes,
		SignsURL: d.signsURL, Replay: d.replay, Unsigned: d.unsigned,
		Normalize: func(b *normalizer.Body) ([]call.Event, error) { return l.Get().normalize(b) },
	}
	if len(d.verify) > 0 {
		p.Verify = func(r *normalizer.Request, k normalizer.Keys) (string, error) {
			return signing.Check(l.Get().verify, r, k)
		}
	}
	if d.fetch != nil {
		p.REST = l.rest()
	}
	return p
}

// Reference is the table of the mappings for the documentation.
func (d *Declaration) Reference() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n", d.Title)
	if d.Doc != "" {
		fmt.Fprintf(&b, "%s\n\n", d.Doc)
	}
	for i := range d.events {
		k := &d.events[i]
		fmt.Fprintf(&b, "### %s: %s (%s)\n\n| event field | from |\n| --- | --- |\n", d.Title, k.name, k.kind)
		for _, a := range k.set {
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", a.name, strings.ReplaceAll(a.value.Source, "|", "\\|"))
		}
		if i < len(d.events)-1 {
			b.WriteString("\n")
		}
	}
	return b.String()
}
