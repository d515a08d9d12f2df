// Package ruletest runs the tests that are written beside rules in YAML, measures what
// they cover, and explains what rules make of single calls. It reads the engine
// through its exported API. It may import call, rules, rules/engine and
// rules/condition.
package ruletest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// Normalize turns a provider's payload, read from a file, into events.
type Normalize func(provider, file string, body []byte, receivedAt time.Time) ([]call.Event, error)

// maxPayload bounds a payload of a case in bytes.
const maxPayload = 4 << 20

// maxCaseTicks bounds the deadlines that pass in a case.
const maxCaseTicks = 200_000

var errTooLong = fmt.Errorf("more than %d deadlines of the rules pass in the time that the test takes: let less time pass", maxCaseTicks)

// Runner runs cases.
type Runner struct {
	Set       *rules.Set
	Options   engine.Options
	Normalize Normalize // nil: cases with payloads fail
	Coverage  *Coverage // nil: not wanted
}

// Result is how a case went.
type Result struct {
	File   string     `json:"file"`
	Line   int        `json:"line"`
	Rule   string     `json:"rule"`
	Name   string     `json:"name"`
	Passed bool       `json:"passed"`
	Failed []Mismatch `json:"failed,omitempty"` // expectations that were not met
	Error  string     `json:"error,omitempty"`  // the case could not be run
	// Calls explain what the rule made of the last call of each step, where the
	// case failed.
	Calls []rules.CallExplanation `json:"calls,omitempty"`
}

// Mismatch is one expectation and what came of it.
type Mismatch struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Run runs one case on an engine of its own, with all rules of the set. A rule
// that is off is tested as if it were not.
func (x *Runner) Run(c *rules.Case) Result {
	res := Result{File: c.File, Line: c.Line, Rule: c.Rule, Name: c.Name}
	set, r := enabled(x.Set, c.Rule)
	if r == nil {
		res.Error = fmt.Sprintf("there is no rule %q", c.Rule)
		return res
	}
	t := NewTrace(set, x.Options)
	t.only = c.Rule
	t.maxTicks = maxCaseTicks + rules.MaxCaseEvents
	t.Focus() // the last call of each step
	if x.Coverage != nil {
		x.Coverage.tested(r)
		t.coverage = x.Coverage
	}
	last, err := x.feed(t, r, c)
	if err != nil {
		res.Error = err.Error()
		return res
	}
	res.Failed = t.check(r, &c.Expect)
	if x.Coverage != nil && r.When == nil {
		in, _ := t.incident(r, nil)
		x.Coverage.ended(r, t.state(r, in, nil))
	}
	if res.Passed = len(res.Failed) == 0; !res.Passed {
		for _, call := range t.Calls() {
			if slices.Contains(last, call.Call.Key()) {
				res.Calls = append(res.Calls, call)
			}
		}
	}
	return res
}

// enabled is the set with one rule that is not off.
func enabled(s *rules.Set, name string) (*rules.Set, *rules.Rule) {
	i := slices.IndexFunc(s.Rules, func(r *rules.Rule) bool { return r.Name == name })
	if i < 0 {
		return s, nil
	}
	if s.Rules[i].Mode != rules.Off {
		return s, s.Rules[i]
	}
	set, r := *s, *s.Rules[i]
	r.Mode = rules.Active
	set.Rules = slices.Clone(s.Rules)
	set.Rules[i] = &r
	return &set, &r
}

// feed plays the steps of a case and names the last call of each.
func (x *Runner) feed(t *Trace, r *rules.Rule, c *rules.Case) (last []call.Key, err error) {
	start, err := x.start(c)
	if err != nil {
		return nil, err
	}
	now := start
	var every time.Duration // from the last event to the next; zero before the first
	for i := range c.Given {
		g := &c.Given[i]
		at := begin(g, start, now, every)
		if at.Before(now) {
			return nil, fmt.Errorf("step %d is to come before the one above it: time does not go back", i+1)
		}
		for n := range g.Repeat {
			now = at.Add(time.Duration(n) * g.Every)
			events, err := x.events(c, r, i, n, now)
			if err != nil {
				return nil, fmt.Errorf("step %d: %w", i+1, err)
			}
			t.Wait(now)
			if t.stuck() {
				return nil, errTooLong
			}
			for j := range events {
				if n == g.Repeat-1 {
					last = append(last, events[j].Key())
					t.Focus(events[j].Key())
				}
				t.Apply(now, &events[j])
			}
		}
		every = g.Every
	}
	if t.Wait(now.Add(c.Advance)); t.stuck() {
		return nil, errTooLong
	}
	return last, nil
}

func begin(g *rules.Given, start, now time.Time, every time.Duration) time.Time {
	switch {
	case !g.AtDay.IsZero():
		return g.AtDay
	case g.At != nil:
		return start.Add(*g.At)
	case g.After != nil:
		return now.Add(*g.After)
	default:
		return now.Add(every)
	}
}

// start is when a case begins: at the time its first step names, or that its
// first payload describes.
func (x *Runner) start(c *rules.Case) (time.Time, error) {
	if len(c.Given) == 0 {
		return caseStart, nil
	}
	first := &c.Given[0]
	if !first.AtDay.IsZero() || first.Payload == "" {
		return cmp.Or(first.AtDay, caseStart), nil
	}
	events, err := x.payload(c, first, caseStart)
	if err != nil {
		return caseStart, fmt.Errorf("step 1: %w", err)
	}
	var at time.Time
	for i := range events {
		at = laterOf(laterOf(at, events[i].OccurredAt), events[i].EndedAt)
	}
	return cmp.Or(at, caseStart), nil
}

func (x *Runner) events(c *rules.Case, r *rules.Rule, step, n int, at time.Time) ([]call.Event, error) {
	g := &c.Given[step]
	if g.Payload != "" {
		return x.payload(c, g, at)
	}
	e, err := eventOfStep(g, r, step, n, at)
	if err != nil {
		return nil, err
	}
	return []call.Event{*e}, nil
}

func (x *Runner) payload(c *rules.Case, g *rules.Given, at time.Time) ([]call.Event, error) {
	if x.Normalize == nil {
		return nil, errors.New("payloads cannot be normalized here")
	}
	path := filepath.Join(filepath.Dir(c.File), g.Payload)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: payload is a path relative to the rules file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, maxPayload+1))
	if err != nil || len(body) > maxPayload {
		return nil, fmt.Errorf("read payload %s: %w", path, cmp.Or(err, fmt.Errorf("larger than %d bytes", maxPayload)))
	}
	events, err := x.Normalize(g.Provider, path, body, at)
	if err != nil {
		return nil, fmt.Errorf("normalize %s: %w", path, err)
	}
	return events, nil
}
