package rulefmt

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/yamlfile/spelling"
)

const (
	defaultEvery  = time.Second
	MaxRepeat     = 10_000
	maxFileEvents = 500_000 // of all cases of a file
)

// Suite is a set of rules with the cases that test it.
type Suite struct {
	Set   *rules.Set
	Cases []rules.Case
}

// LoadSuite reads the cases of the rules at a path, as LoadFile does, or of a file of
// its own that names the rules it tests:
//
//	rules: rules.yaml
//	tests:
//	  low-mos:
//	    - name: ...
//
// With an error among the problems the suite is nil.
func LoadSuite(path string) (*Suite, rules.Problems, error) {
	sources, err := ReadSources(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read tests: %w", err)
	}
	if sources[0].Name == path {
		d, root := parseDocument(path, sources[0].Text)
		l := &loader{Document: d}
		if rulesAt, ok := l.testsOnly(root); ok {
			return l.suite(root, rulesAt)
		}
	}
	set, problems, err := LoadSources(context.Background(), sources)
	if set == nil {
		return nil, problems, err
	}
	s := &Suite{Set: set}
	for _, r := range set.Rules {
		s.Cases = append(s.Cases, r.Tests...)
	}
	return s, problems, nil
}

// testsOnly finds the name of a rules file where other files have their rules.
func (l *loader) testsOnly(root ast.Node) (n ast.Node, ok bool) {
	var values []*ast.MappingValueNode
	switch m := root.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	}
	for _, v := range values {
		if v.Key.GetToken().Value == "rules" {
			_, ok = v.Value.(*ast.StringNode)
			return v.Value, ok
		}
	}
	return nil, false
}

func (l *loader) suite(root, rulesAt ast.Node) (*Suite, rules.Problems, error) {
	name, _ := l.Text(rulesAt, "rules")
	set, problems, err := LoadFile(filepath.Join(filepath.Dir(l.File), name))
	if err != nil {
		l.Add(nodeAt(rulesAt), "no-file", err.Error(), "the path is relative to this file")
	}
	s := &Suite{Set: set}
	l.Mapping(root, "a test file", keys{
		"rules": func(ast.Node) {},
		"tests": func(n ast.Node) {
			l.Entries(n, "tests", func(rule string, at pos, value ast.Node) {
				if set != nil && set.Rule(rule) == nil {
					l.Add(at, "unknown-rule", fmt.Sprintf("there is no rule %q in %s", rule, name), near(rule, set.Names()))
				}
				s.Cases = append(s.Cases, named(l.cases(value), rule)...)
			})
		},
	})
	l.Problems.Sort()
	if problems = append(problems, l.Problems...); problems.Errors() {
		return nil, problems, nil
	}
	return s, problems, nil
}

func near(word string, names []string) string {
	if n := spelling.Nearest(word, names); n != "" {
		return "did you mean " + n + "?"
	}
	return ""
}

// named gives cases the rule they are about.
func named(cases []rules.Case, rule string) []rules.Case {
	for i := range cases {
		cases[i].Rule = rule
	}
	return cases
}

// cases reads `tests`.
func (l *loader) cases(n ast.Node) []rules.Case {
	var out []rules.Case
	seen := map[string]bool{}
	l.List(n, "tests", func(n ast.Node) {
		c := rules.Case{File: l.File, Line: nodeAt(n).Line}
		present := present{}
		l.Mapping(n, "a test", present.noting(keys{
			"name":    func(n ast.Node) { c.Name, _ = l.Text(n, "name") },
			"given":   func(n ast.Node) { l.List(n, "given", func(n ast.Node) { c.Given = append(c.Given, l.given(n)) }) },
			"advance": func(n ast.Node) { c.Advance, _ = l.Duration(n, "advance") },
			"expect":  func(n ast.Node) { c.Expect = l.expect(n) },
		}))
		for _, key := range []string{"name", "expect"} {
			if !present[key] {
				l.Add(nodeAt(n), "no-"+key, "a test needs "+key+":", "")
			}
		}
		l.count(n, &c)
		if seen[c.Name] && c.Name != "" {
			l.Add(nodeAt(n), "duplicate-name", fmt.Sprintf("a test named %q exists already", c.Name), "")
		}
		seen[c.Name] = true
		out = append(out, c)
	})
	return out
}

// count reports a case, or a file, of more events than are played.
func (l *loader) count(n ast.Node, c *rules.Case) {
	events := 0
	for i := range c.Given {
		events += c.Given[i].Repeat
	}
	if events > rules.MaxCaseEvents {
		l.Add(nodeAt(n), "too-large", fmt.Sprintf("the test has %d events, repeats included; %d are played at most", events, rules.MaxCaseEvents), "use fewer repeats")
	}
	if l.events += events; l.events > maxFileEvents {
		l.GiveUp(nodeAt(n), fmt.Sprintf("the tests of the file have more than %d events, repeats included", maxFileEvents))
	}
}

func (l *loader) given(n ast.Node) rules.Given {
	g := rules.Given{Repeat: 1, Every: defaultEvery}
	present := present{}
	l.Mapping(n, "a step of given", present.noting(keys{
		"repeat":   func(n ast.Node) { g.Repeat, _ = l.Integer(n, "repeat", 1, MaxRepeat) },
		"every":    func(n ast.Node) { g.Every, _ = l.Duration(n, "every") },
		"after":    func(n ast.Node) { g.After = l.span(n, "after") },
		"at":       func(n ast.Node) { l.moment(n, &g) },
		"kind":     func(n ast.Node) { g.Kind = l.kind(n) },
		"call":     func(n ast.Node) { g.Facts = l.facts(n) },
		"payload":  func(n ast.Node) { g.Payload, _ = l.Text(n, "payload") },
		"provider": func(n ast.Node) { g.Provider, _ = l.Text(n, "provider") },
	}))
	switch {
	case present["payload"] && (present["call"] || present["kind"]):
		l.Add(nodeAt(n), "bad-step", "a payload says itself what the call was", "leave out call and kind, or payload")
	case present["payload"] != present["provider"]:
		l.Add(nodeAt(n), "bad-step", "payload and provider belong together", `such as {payload: bad.json, provider: NAME}; the provider of a call is in call:`)
	case present["at"] && present["after"]:
		l.Add(nodeAt(n), "bad-step", "a step has at or after, not both", "")
	}
	return g
}

func (l *loader) span(n ast.Node, what string) *time.Duration {
	d, ok := l.Duration(n, what)
	if !ok {
		return nil
	}
	return &d
}

func (l *loader) moment(n ast.Node, g *rules.Given) {
	s, ok := l.Text(n, "at")
	if !ok {
		return
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		g.AtDay = t.UTC()
		return
	}
	d, err := rules.ParseDuration(s)
	if err != nil {
		l.Add(nodeAt(n), "bad-time", fmt.Sprintf("at is no point in time: %q", s), "a time since the start such as 5m, or 2026-01-05T12:00:00Z")
		return
	}
	g.At = &d
}

func (l *loader) kind(n ast.Node) call.Kind {
	s, _ := l.Word(n, "kind", KindNames()...)
	return call.Kind(s)
}

func (l *loader) expect(n ast.Node) (x rules.Expect) {
	present, before := present{}, len(l.Problems)
	l.Mapping(n, "expect", present.noting(keys{
		"state": func(n ast.Node) {
			s, _ := l.Word(n, "state", rules.CaseStates()...)
			x.State = rules.CaseState(s)
		},
		"severity": func(n ast.Node) {
			s, _ := l.Word(n, "severity", rules.SeverityNames()...)
			x.Severity = rules.Severity(s)
		},
		"by": func(n ast.Node) {
			x.By = map[string]string{}
			l.Entries(n, "by", func(key string, _ pos, value ast.Node) { x.By[key], _ = l.Text(value, "by "+key) })
		},
		"matched":   func(n ast.Node) { x.Matched = l.number(n, "matched") },
		"incidents": func(n ast.Node) { x.Incidents = l.number(n, "incidents") },
		"held":      func(n ast.Node) { x.Held = l.Texts(n, "held") },
	}))
	if len(present) == 0 && len(l.Problems) == before {
		l.Add(nodeAt(n), "empty-expect", "the test expects nothing", "add state: and one of "+strings.Join(rules.CaseStates(), ", "))
	}
	return x
}

func (l *loader) number(n ast.Node, what string) *int {
	v, ok := l.Integer(n, what, 0, 1_000_000)
	if !ok {
		return nil
	}
	return &v
}

// KindNames are the kinds of events.
func KindNames() []string {
	return []string{string(call.Progress), string(call.Stats), string(call.Ended), string(call.Report)}
}

// present remembers which keys of a mapping were there.
type present map[string]bool

func (p present) noting(known keys) keys {
	for key, read := range known {
		known[key] = func(n ast.Node) { p[key] = true; read(n) }
	}
	return known
}
