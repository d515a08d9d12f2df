package rulefmt

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/summary"
)

const (
	defaultResolveAfter = 30 * time.Minute
	defaultSamples      = 5
	MaxSamples          = 20
	maxHold             = 16 // events remembered for `for: N of M`

	defaultSettle    = 2 * time.Minute
	defaultGrace     = 5 * time.Minute
	defaultLearn     = 7 * 24 * time.Hour
	defaultRepeatMax = 24 * time.Hour
	defaultMaxKeys   = 10_000
)

// ruleDefaults is what rules have that say nothing else.
func ruleDefaults() rules.Rule {
	return rules.Rule{
		Severity: rules.Warning, By: []string{"provider"},
		On:           []call.Kind{call.Stats, call.Ended, call.Report},
		ResolveAfter: defaultResolveAfter, Samples: defaultSamples, Mode: rules.Active,
		RepeatMax: defaultRepeatMax, MaxKeys: defaultMaxKeys,
		Window: &rules.Window{Settle: defaultSettle, Grace: defaultGrace, NoData: rules.NoDataKeep},
	}
}

// ruleKeys are the keys of a rule that defaults may set as well.
func (l *loader) ruleKeys(r *rules.Rule) keys {
	known := keys{
		"owner":         func(n ast.Node) { r.Owner, _ = l.Text(n, "owner") },
		"runbook":       func(n ast.Node) { r.Runbook = l.webAddress(n, "runbook") },
		"labels":        func(n ast.Node) { r.Labels = l.labelMap(n, r.Labels) },
		"summary":       func(n ast.Node) { r.Summary = l.summary(n) },
		"on":            func(n ast.Node) { r.On = l.kinds(n) },
		"by":            func(n ast.Node) { r.By = l.fields(n, "by", Groupable) },
		"severity":      func(n ast.Node) { l.severity(n, r) },
		"resolve_after": func(n ast.Node) { r.ResolveAfter, _ = l.Duration(n, "resolve_after") },
		"cooldown":      func(n ast.Node) { r.Cooldown, _ = l.Duration(n, "cooldown") },
		"show":          func(n ast.Node) { r.Show = l.fields(n, "show", Showable) },
		"samples":       func(n ast.Node) { r.Samples, _ = l.Integer(n, "samples", 0, MaxSamples) },
		"route":         func(n ast.Node) { l.readRoute(n, r) },
		"mode": func(n ast.Node) {
			mode, _ := l.Word(n, "mode", string(rules.Active), string(rules.Shadow), string(rules.Off))
			r.Mode = rules.Mode(mode)
		},
	}
	maps.Copy(known, l.windowKeys(r))
	maps.Copy(known, l.lifeKeys(r))
	return known
}

func (l *loader) readDefaults(n ast.Node) {
	l.inZone(n, &l.defaults)
	l.Mapping(n, "defaults", l.ruleKeys(&l.defaults))
	l.env.Zone = nil
}

func (l *loader) readRules(n ast.Node) {
	before := len(l.set.Rules)
	l.List(n, "rules", func(n ast.Node) {
		if !l.Within(n, l.listed, maxRules, "rules") {
			return
		}
		l.listed++
		r, at := l.readRule(n)
		if r == nil {
			return
		}
		if first := l.ruleAt[r.Name]; first != nil {
			where := fmt.Sprintf("in line %d", first.Line)
			if first.File != r.File {
				where = fmt.Sprintf("in %s:%d", first.File, first.Line)
			}
			l.Add(at, "duplicate-name", fmt.Sprintf("a rule named %q is %s already", r.Name, where), "incidents, silences and tests name rules: give it another name")
			return
		}
		l.ruleAt[r.Name] = r
		l.set.Rules = append(l.set.Rules, r)
	})
	if len(l.set.Rules) == before && len(l.Problems) == 0 {
		l.Add(nodeAt(n), "no-rules", "the list of rules is empty", "")
	}
}

// readRule reads one rule, and where its name is; nil where it has no usable one.
func (l *loader) readRule(n ast.Node) (rule *rules.Rule, nameAt pos) {
	r := l.defaults
	r.Labels = maps.Clone(r.Labels)
	r.Ladder = slices.Clone(r.Ladder)
	r.File, r.Line = l.Document.File, nodeAt(n).Line
	window, novelty := *r.Window, newness{Learn: defaultLearn}
	r.Window = &window
	if hasKey(n, "over") {
		l.figures = &window.Figures
		if r.Ladder != nil {
			r.Ladder = nil // the levels of the defaults are about single calls
		}
	}
	known := l.ruleKeys(&r)
	known["name"] = func(n ast.Node) { r.Name, nameAt = l.name(n), nodeAt(n) }
	known["when"] = func(n ast.Node) { r.When = l.program(n, "when", l.env) }
	known["where"] = func(n ast.Node) { r.Where = l.single(n, "where") }
	known["except"] = func(n ast.Node) { r.Except = l.exceptions(n) }
	known["for"] = func(n ast.Node) { r.For = l.hold(n) }
	known["tests"] = func(n ast.Node) { r.Tests = l.cases(n) }
	known["over"] = func(n ast.Node) { l.over(n, r.Window) }
	known["resolve"] = func(n ast.Node) {
		if l.figures != nil { // else it is reported as out of place
			r.Window.Resolve = l.program(n, "resolve", l.env)
		}
	}
	known["absent"] = func(n ast.Node) { r.Absent = l.durationIn(n, "absent", time.Minute, rules.MaxAbsent) }
	known["expect"] = func(ast.Node) {} // read by finish: it depends on by
	known["new"] = func(n ast.Node) { novelty.Field = l.newValue(n) }
	known["learn"] = func(n ast.Node) { novelty.Learn = l.durationIn(n, "learn", 0, maxOver) }
	known["adopts"] = func(n ast.Node) { r.Adopts = l.adopts(n, &r) }
	before, present := len(l.Problems), map[string]ast.Node{}
	for key, read := range known {
		known[key] = func(n ast.Node) { present[key] = n; read(n) }
	}
	l.inZone(n, &r)
	l.Mapping(n, "a rule", known)
	l.figures, l.env.Zone = nil, nil
	if _, read := n.(*ast.MappingNode); present["name"] == nil && (read || len(l.Problems) == before) {
		l.Add(nodeAt(n), "no-name", "a rule needs a name", "add name: and a short word in kebab-case")
	}
	if present["when"] == nil && present["absent"] == nil && present["new"] == nil && len(l.Problems) == before {
		l.Add(nodeAt(n), "empty-condition", fmt.Sprintf("rule %q has no condition", r.Name), "add when: and an expression such as mos < 3.5")
	}
	if summary := present["summary"]; summary != nil && r.Summary != nil {
		for _, name := range r.Summary.By {
			if !slices.Contains(r.By, name) {
				l.Add(nodeAt(summary), "bad-summary", fmt.Sprintf("summary: the rule is not by %q", name), fmt.Sprintf("it is by %s; of the call itself: .Call.%s", strings.Join(r.By, ", "), name))
			}
		}
	}
	l.finish(n, &r, novelty, present)
	if r.Name == "" {
		l.nameless = true
		return nil, nameAt
	}
	named(r.Tests, r.Name)
	r.KeyFields, r.KeyTables, r.Tables = nil, nil, l.env.Tables
	for _, name := range r.By {
		f, _ := call.Lookup(name)
		t := l.env.Tables[name]
		if r.KeyTables = append(r.KeyTables, t); t != nil {
			f = call.Field{Name: name, Type: call.Text}
		}
		r.KeyFields = append(r.KeyFields, f)
	}
	return &r, nameAt
}

var ruleName = regexp.MustCompile(rules.NamePattern)

func (l *loader) name(n ast.Node) string {
	s, ok := l.Text(n, "name")
	if ok && !ruleName.MatchString(s) {
		l.Add(nodeAt(n), "bad-name", fmt.Sprintf("%q cannot be a rule's name", s), "lower case letters, digits, - and _, at most 64")
		return ""
	}
	return s
}

func (l *loader) kinds(n ast.Node) []call.Kind {
	var out []call.Kind
	for _, s := range l.words(n, "on", string(call.Progress), string(call.Stats), string(call.Ended), string(call.Report)) {
		out = append(out, call.Kind(s))
	}
	if seq, ok := n.(*ast.SequenceNode); ok && len(seq.Values) == 0 {
		l.Add(nodeAt(n), "empty-list", "on is empty: no event would wake the rule", "mode: off switches a rule off; events are progress, stats, ended and report")
	}
	return out
}

// words is a list of words out of a fixed set.
func (l *loader) words(n ast.Node, what string, words ...string) []string {
	var out []string
	read := func(e ast.Node) {
		if w, ok := l.Word(e, what, words...); ok {
			out = append(out, w)
		}
	}
	if _, ok := n.(*ast.SequenceNode); !ok {
		read(n)
		return out
	}
	l.List(n, what, read)
	return out
}

// Groupable are the fields that a key may have.
func Groupable(f call.Field) bool {
	return f.Type == call.Text || f.Type == call.Bool || f.Type == call.Integer
}

// Showable are the fields that are listed for a call.
func Showable(f call.Field) bool { return f.Type != call.List && f.Type != call.Object }

// fields is a list of names out of the field table.
func (l *loader) fields(n ast.Node, what string, fit func(call.Field) bool) []string {
	out := []string{}
	read := func(e ast.Node) {
		name, ok := l.Text(e, what)
		if !ok {
			return
		}
		f, known := call.Lookup(name)
		if t := l.env.Tables[name]; t != nil && what == "by" {
			f, known = call.Field{Name: name, Type: call.Text}, true
		}
		switch {
		case !known:
			l.Add(nodeAt(e), "unknown-field", fmt.Sprintf("%s: there is no field %q", what, name), condition.SuggestField(name))
		case !fit(f):
			l.Add(nodeAt(e), "wrong-type", fmt.Sprintf("%s: %s is %s, which is not allowed here", what, name, typeWords(f.Type)), "")
		case slices.Contains(out, name):
			l.Report(nodeAt(e), problemWarning, "doubled-field", fmt.Sprintf("%s names %s twice", what, name), "")
		default:
			out = append(out, name)
		}
	}
	if _, ok := n.(*ast.SequenceNode); !ok {
		read(n)
		return out
	}
	l.List(n, what, read)
	return out
}

func typeWords(t call.Type) string {
	switch t {
	case call.Strings:
		return "a list of texts"
	case call.Bool:
		return "a truth value"
	case call.Object:
		return "an object"
	}
	return "a " + string(t)
}

// severity is one word, or a ladder of conditions.
func (l *loader) severity(n ast.Node, r *rules.Rule) {
	names := make([]string, 0, 3)
	for _, s := range rules.Severities() {
		names = append(names, string(s))
	}
	if _, ladder := n.(*ast.MappingNode); !ladder {
		if s, ok := l.Word(n, "severity", names...); ok {
			r.Severity, r.Ladder = rules.Severity(s), nil
		}
		return
	}
	r.Ladder = nil
	levels := keys{}
	for _, s := range rules.Severities() {
		levels[string(s)] = func(n ast.Node) {
			if p := l.program(n, "severity "+string(s), l.env); p != nil {
				r.Ladder = append(r.Ladder, rules.Level{Severity: s, When: p})
			}
		}
	}
	l.Mapping(n, "severity", levels)
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) == 0 {
		l.Report(nodeAt(n), problemWarning, "empty-ladder", fmt.Sprintf("severity names no level: it is %s", r.Severity), "write one word such as severity: critical, or levels such as {critical: mos < 2}")
	}
	slices.SortFunc(r.Ladder, func(a, b rules.Level) int { return b.Severity.Rank() - a.Severity.Rank() })
}

func (l *loader) exceptions(n ast.Node) []rules.Exception {
	var out []rules.Exception
	l.Entries(n, "except", func(key string, _ pos, value ast.Node) {
		if p := l.single(value, "except "+key); p != nil {
			out = append(out, rules.Exception{Name: key, When: p})
		}
	})
	return out
}

var someOf = regexp.MustCompile(`^\s*(\d+)\s+of\s+(\d+)\s*$`)

// hold is a duration or "3 of 5".
func (l *loader) hold(n ast.Node) rules.Hold {
	s, ok := l.Text(n, "for")
	if !ok {
		return rules.Hold{}
	}
	if m := someOf.FindStringSubmatch(s); m != nil {
		var h rules.Hold
		h.Need, _ = strconv.Atoi(m[1]) // what overflows is beyond maxHold as well
		h.Of, _ = strconv.Atoi(m[2])
		if h.Need < 1 || h.Of < h.Need || h.Of > maxHold {
			l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("for: %d of %d cannot be met", h.Need, h.Of), fmt.Sprintf("N of M with 1 <= N <= M <= %d", maxHold))
			return rules.Hold{}
		}
		return h
	}
	d, err := rules.ParseDuration(s)
	if err != nil {
		l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("for is neither a duration nor a share of events: %q", s), `such as 5m, or "3 of 5"`)
	}
	return rules.Hold{Duration: d}
}

// labelName is what Prometheus takes as the name of a label; those that begin
// with two underscores are its own.
var labelName = regexp.MustCompile(`^(_?[a-zA-Z][a-zA-Z0-9_]*|_)$`)

func (l *loader) labelMap(n ast.Node, inherited map[string]string) map[string]string {
	out := maps.Clone(inherited)
	if out == nil {
		out = map[string]string{}
	}
	l.Entries(n, "labels", func(key string, keyAt pos, value ast.Node) {
		if !labelName.MatchString(key) {
			l.Add(keyAt, "bad-label", fmt.Sprintf("%q is no label name of Prometheus and Alertmanager", key), "letters, digits and _, not beginning with a digit or __")
		}
		if s, ok := l.Text(value, "label "+key); ok {
			out[key] = s
		}
	})
	return out
}

func (l *loader) webAddress(n ast.Node, what string) string {
	s, ok := l.Text(n, what)
	if !ok {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		l.Add(nodeAt(n), "bad-address", fmt.Sprintf("%s is not a web address: %q", what, s), "such as https://wiki.example/voice")
		return ""
	}
	return s
}

func (l *loader) summary(n ast.Node) *summary.Template {
	src, ok := l.Text(n, "summary")
	if !ok {
		return nil
	}
	s, err := rules.ParseSummary(src, l.env.Tables)
	if err != nil {
		l.Add(nodeAt(n), "bad-summary", fmt.Sprintf("summary: %v", err), "fields: .Rule .Severity .By .Value .Call .Counts .Since; functions: pct num dur mask")
		return nil
	}
	return s
}
