package rulefmt

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/numbers"
	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
)

const (
	minOver      = 10 * time.Second
	maxOver      = 31 * 24 * time.Hour
	maxOverCalls = 100_000
	maxSettle    = 30 * time.Minute // calls are kept longer than that
)

// CountCalls is count_by of a window that counts calls.
const CountCalls = "call"

// windowKeys are those of windows that defaults may set as well.
func (l *loader) windowKeys(r *rules.Rule) keys {
	return keys{
		"min_calls": func(n ast.Node) { r.Window.MinCalls, _ = l.Integer(n, "min_calls", 0, maxOverCalls) },
		"count_by": func(n ast.Node) {
			s, _ := l.Word(n, "count_by", CountCalls, rules.SessionField)
			r.Window.Sessions = s == rules.SessionField
		},
		"settle": func(n ast.Node) { r.Window.Settle = l.durationIn(n, "settle", 0, maxSettle) },
		"grace":  func(n ast.Node) { r.Window.Grace = l.durationIn(n, "grace", 0, 24*time.Hour) },
		"no_data": func(n ast.Node) {
			s, ok := l.Word(n, "no_data", string(rules.NoDataKeep), string(rules.NoDataResolve), string(rules.NoDataAlert))
			if ok {
				r.Window.NoData = rules.NoData(s)
			}
		},
	}
}

// lifeKeys are the keys about the life of incidents, of any rule.
func (l *loader) lifeKeys(r *rules.Rule) keys {
	return keys{
		"repeat":     func(n ast.Node) { r.Repeat = l.durationIn(n, "repeat", time.Minute, maxOver) },
		"repeat_max": func(n ast.Node) { r.RepeatMax = l.durationIn(n, "repeat_max", time.Minute, maxOver) },
		"active":     func(n ast.Node) { r.Active = l.active(n, r.Zone) },
		"tz":         func(n ast.Node) { r.Zone = l.zone(n) },
		"max_keys":   func(n ast.Node) { r.MaxKeys, _ = l.Integer(n, "max_keys", 1, 1_000_000) },
	}
}

func (l *loader) durationIn(n ast.Node, what string, lo, hi time.Duration) time.Duration {
	d, ok := l.Duration(n, what)
	if ok && (d < lo || d > hi) {
		l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("%s must be from %s to %s", what, numbers.FormatDuration(lo), numbers.FormatDuration(hi)), "")
		return lo
	}
	return d
}

var someCalls = regexp.MustCompile(`^\s*(\d+)\s+calls?\s*$`)

// over is a duration or "200 calls".
func (l *loader) over(n ast.Node, w *rules.Window) {
	s, ok := l.Text(n, "over")
	if !ok {
		return
	}
	if m := someCalls.FindStringSubmatch(s); m != nil {
		if w.Calls, _ = strconv.Atoi(m[1]); w.Calls < 1 || w.Calls > maxOverCalls {
			l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("over: %s cannot be", s), fmt.Sprintf("1 to %d calls", maxOverCalls))
			w.Calls = 1
		}
		return
	}
	d, err := rules.ParseDuration(s)
	if err != nil {
		l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("over is neither a duration nor a number of calls: %q", s), `such as 15m, or "200 calls"`)
		return
	}
	if d < minOver || d > maxOver {
		l.Add(nodeAt(n), "bad-duration", fmt.Sprintf("over must be from %s to %s", numbers.FormatDuration(minOver), numbers.FormatDuration(maxOver)), "")
		d = minOver
	}
	w.Over = d
}

// ofWindows are the keys that mean something over windows only.
func ofWindows() []string {
	return []string{"count_by", "min_calls", "resolve", "settle", "grace", "no_data"}
}

// kindOfRule reports keys that do not go together. A rule is about single calls
// (when), windows (over and when), absence (absent) or new values (new).
func (l *loader) kindOfRule(r *rules.Rule, present map[string]ast.Node) {
	has := func(key string) bool { return present[key] != nil }
	conflict := func(key, message, hint string) {
		l.Add(nodeAt(present[key]), "wrong-key", message, hint)
	}
	for _, pair := range [][2]string{{"when", "absent"}, {"when", "new"}, {"absent", "new"}, {"over", "absent"}, {"over", "new"}} {
		if has(pair[0]) && has(pair[1]) {
			conflict(pair[1], fmt.Sprintf("a rule has %s or %s, not both", pair[0], pair[1]), "make two rules of it")
			return
		}
	}
	if has("over") && r.Window != nil {
		if has("on") {
			conflict("on", "a window counts settled calls, whatever event settled them: on has no meaning", "leave it out, or say with where which calls count")
		}
		if r.For.Need > 0 {
			conflict("for", "over a window, for is a duration", "such as for: 5m")
		}
	} else {
		for _, key := range ofWindows() {
			if has(key) {
				conflict(key, fmt.Sprintf("%s belongs to a rule with over", key), "add over: 15m, or leave it out")
			}
		}
	}
	if has("for") && (has("absent") || has("new")) {
		conflict("for", "for belongs to a rule with when", "")
	}
	if has("for") && has("when") && !has("over") && r.For.Duration > 0 && len(r.On) > 0 && !r.Wakes(call.Progress) && !r.Wakes(call.Stats) {
		conflict("for", "the rule never matches: only calls that have ended wake it, and for ends with the call", "add stats or progress to on, or leave for out")
	}
	if has("learn") && !has("new") {
		conflict("learn", "learn belongs to a rule with new", "add new: and a field")
	}
	if has("expect") && !has("absent") {
		conflict("expect", "expect belongs to a rule with absent", "add absent: 30m, or leave it out")
	}
	if has("adopts") && !has("over") && !has("absent") {
		conflict("adopts", "only a rule with over or absent adopts the incidents of others", "")
	}
	if r.RepeatMax > 0 && r.Repeat > r.RepeatMax && has("repeat_max") {
		conflict("repeat_max", fmt.Sprintf("repeat_max is shorter than repeat (%s)", numbers.FormatDuration(r.Repeat)), "")
	}
	if has("repeat_max") && r.Repeat == 0 && !has("repeat") {
		conflict("repeat_max", "repeat_max belongs to a rule with repeat", "add repeat: 1h, or leave it out")
	}
	if has("when") && has("where") && !has("over") && r.Where != nil && r.When != nil {
		where, ok := r.Where.Limit()
		if when, also := r.When.Limit(); ok && also && when.Excludes(where) {
			conflict("when", fmt.Sprintf("the rule never matches: where %s excludes %s", r.Where, r.When), "where says which calls count, when which of them are bad")
		}
	}
	if r.Window != nil && r.Window.Calls > 0 && r.Window.MinCalls > r.Window.Calls {
		key := "min_calls"
		if !has(key) {
			key = "over"
		}
		conflict(key, fmt.Sprintf("the window never has %d calls: it holds %d", r.Window.MinCalls, r.Window.Calls), "min_calls is at most the number of calls in over")
	}
	if r.Window != nil && r.Window.Sessions && r.Window.Calls > 0 {
		key := "count_by"
		if !has(key) {
			key = "over"
		}
		conflict(key, fmt.Sprintf("sessions are counted over a time; this window is over %s", r.Window), "over: 1h, or count_by: call")
	}
	l.agoOf(r, present["over"])
	if r.Window != nil && has("resolve") {
		l.hysteresis(r, nodeAt(present["resolve"]))
	}
	if ladder, ok := present["severity"].(*ast.MappingNode); ok && r.When != nil {
		l.deadLevels(ladder, r)
	}
	share := func(f condition.Figure) bool { return f.Share() }
	if r.Window != nil && r.Window.MinCalls == 0 && !has("min_calls") && (r.When != nil && r.When.Divides() || slices.ContainsFunc(r.Window.Figures.All, share)) {
		l.Report(nodeAt(present["over"]), problemWarning, "few-calls", "the share of very few calls says little: one bad call alone is 100 %", "add min_calls: 20")
	}
}

// agoOf reports windows of which no history can be kept for as long as prev asks.
func (l *loader) agoOf(r *rules.Rule, over ast.Node) {
	if r.Window == nil || r.Window.Ago() == 0 {
		return
	}
	ago, w := numbers.FormatDuration(r.Window.Ago()), r.Window
	switch {
	case w.Calls > 0:
		l.Add(nodeAt(over), "wrong-key", fmt.Sprintf("prev(..., %s) is of a window over time; this one is over %s", ago, w), "over: 1h, or prev of the calls before, without a time")
	case w.Over < w.LeastOver():
		l.Add(nodeAt(over), "bad-window", fmt.Sprintf("a window of %s cannot be kept for %s", numbers.FormatDuration(w.Over), ago), fmt.Sprintf("over of %s or more, or a shorter time in prev", numbers.FormatDuration(w.LeastOver().Truncate(time.Second)+time.Second)))
	case w.LeastAgo() < w.Over:
		l.Add(nodeAt(over), "bad-window", fmt.Sprintf("the window %s ago would overlap this one of %s", numbers.FormatDuration(w.LeastAgo()), numbers.FormatDuration(w.Over)), "a time in prev that is not shorter than over, or prev without a time for the window before")
	}
}

// hysteresis compares what opens an incident with what ends it, where both are
// limits of the same figure.
func (l *loader) hysteresis(r *rules.Rule, at pos) {
	if r.When == nil || r.Window.Resolve == nil {
		return
	}
	when, ok := r.When.Limit()
	resolve, also := r.Window.Resolve.Limit()
	switch {
	case !ok || !also || when.Of != resolve.Of || resolve.Excludes(when):
	case resolve.Implies(when):
		l.Add(at, "never-resolves", fmt.Sprintf("an incident never resolves: where %s holds, %s holds as well", r.Window.Resolve, r.When), "resolve is met on the other side of the limit, such as rate(mos < 3.5) < 0.05")
	default:
		l.Report(at, problemWarning, "inverted-hysteresis", fmt.Sprintf("%s and %s can hold at the same time: the incident opens and resolves by turns", r.When, r.Window.Resolve), "the limit of resolve lies beyond that of when, as in when: rate(x) > 0.10, resolve: rate(x) < 0.05")
	}
}

// deadLevels reports levels of a ladder that no window or call can reach.
func (l *loader) deadLevels(ladder *ast.MappingNode, r *rules.Rule) {
	places := map[rules.Severity]pos{}
	for _, v := range ladder.Values {
		places[rules.Severity(v.Key.GetToken().Value)] = at(v.Key.GetToken())
	}
	when, single := r.When.Limit()
	for i, level := range r.Ladder {
		limit, ok := level.When.Limit()
		if !ok {
			continue
		}
		if single && limit.Excludes(when) {
			l.Add(places[level.Severity], "dead-level", fmt.Sprintf("severity %s can never be: %s excludes %s", level.Severity, level.When, r.When), "each level narrows when")
		}
		for _, above := range r.Ladder[:i] {
			if higher, ok := above.When.Limit(); ok && limit.Implies(higher) {
				l.Add(places[level.Severity], "dead-level", fmt.Sprintf("severity %s can never be: where %s holds, %s holds as well (%s)", level.Severity, level.When, above.When, above.Severity), "the more severe level needs the further limit")
				break
			}
		}
	}
}

// expected reads the keys that are missed although no call of them was seen: values of
// the one field of by, or a value for each of several.
func (l *loader) expected(n ast.Node, r *rules.Rule) []string {
	nodes, out := []ast.Node{n}, []string{}
	if list, ok := n.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	if len(nodes) == 0 {
		l.Add(nodeAt(n), "empty-list", "expect is empty", "list the values of by, such as [eu-west, us-east]")
	}
	if len(nodes) > r.MaxKeys {
		l.Add(nodeAt(n), "bad-range", fmt.Sprintf("expect has %d keys; max_keys is %d", len(nodes), r.MaxKeys), "raise max_keys")
		return nil
	}
	for i, e := range nodes {
		if !l.Within(e, i, maxExpected, "expected keys") {
			break
		}
		labels := make([]rules.Label, len(r.By))
		for j, name := range r.By {
			labels[j].Name = name
		}
		switch e.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			l.Entries(e, "expect", func(key string, keyAt pos, value ast.Node) {
				j := slices.Index(r.By, key)
				if j < 0 {
					l.Add(keyAt, "unknown-field", fmt.Sprintf("expect: the rule is not by %q", key), "it is by "+strings.Join(r.By, ", "))
					return
				}
				labels[j].Value, _ = l.Text(value, "expect "+key)
			})
		default:
			value, ok := l.Text(e, "expect")
			if ok && len(r.By) != 1 {
				l.Add(nodeAt(e), "wrong-type", fmt.Sprintf("expect: the rule is by %d fields", len(r.By)), "name them, such as {provider: example, region: eu}")
				return nil
			}
			if ok {
				labels[0].Value = value
			}
		}
		key := rules.JoinLabels(labels)
		if slices.Contains(out, key) {
			l.Report(nodeAt(e), problemWarning, "doubled-field", "expect names a key twice", "")
			continue
		}
		out = append(out, key)
	}
	return out
}

// maxExpected bounds the keys that one rule expects.
const maxExpected = 1000

// newValue is the field whose new values are told.
func (l *loader) newValue(n ast.Node) *call.Field {
	names := l.fields(n, "new", Groupable)
	if len(names) != 1 {
		if len(names) > 1 {
			l.Add(nodeAt(n), "wrong-type", "new is one field", "make a rule for each")
		}
		return nil
	}
	f, _ := call.Lookup(names[0])
	return &f
}

// adoption holds a rule's `adopts` until all rules are read.
type adoption struct {
	rule *rules.Rule
	name string
	in   *yamlfile.Document
	at   pos
}

func (l *loader) adopts(n ast.Node, r *rules.Rule) []string {
	names := l.Texts(n, "adopts")
	places := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		places = seq.Values
	}
	for i, name := range names {
		l.adoptions = append(l.adoptions, adoption{r, name, l.Document, nodeAt(places[min(i, len(places)-1)])})
	}
	return names
}

// checkAdoptions looks at `adopts` once all rules are known.
func (l *loader) checkAdoptions() {
	byName := map[string]*rules.Rule{}
	var names []string
	for _, r := range l.set.Rules {
		byName[r.Name] = r
		names = append(names, r.Name)
	}
	for _, a := range l.adoptions {
		child := byName[a.name]
		switch {
		case child == nil:
			hint := ""
			if near := spelling.Nearest(a.name, names); near != "" {
				hint = "did you mean " + near + "?"
			}
			a.in.Add(a.at, "unknown-rule", fmt.Sprintf("adopts: there is no rule %q", a.name), hint)
		case child.Name == a.rule.Name || !child.PerCall():
			a.in.Add(a.at, "wrong-adoption", fmt.Sprintf("%s cannot be adopted: it is not about single calls", a.name), "")
		case !slices.Equal(child.By, a.rule.By):
			a.in.Add(a.at, "wrong-adoption", fmt.Sprintf("%s groups by %s, %s by %s: their incidents have no key in common", a.name, strings.Join(child.By, ", "), a.rule.Name, strings.Join(a.rule.By, ", ")), "give both rules the same by")
		default:
			child.AdoptedBy = append(child.AdoptedBy, a.rule.Name)
		}
	}
}

// newness is what a rule says about new values, as it is read.
type newness struct {
	Field *call.Field
	Learn time.Duration
}

// hasKey says whether a mapping has a key, before it is read.
func hasKey(n ast.Node, key string) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool { return v.Key.GetToken().Value == key })
}

// finish makes of what was read the one kind of rule it is.
func (l *loader) finish(n ast.Node, r *rules.Rule, novelty newness, present map[string]ast.Node) {
	before := len(l.Problems)
	if present["over"] == nil {
		r.Window = nil
	}
	if novelty.Field != nil {
		r.New = &rules.Novelty{Field: *novelty.Field, Learn: novelty.Learn}
	}
	if e := present["expect"]; e != nil {
		r.Expect = l.expected(e, r)
	}
	l.kindOfRule(r, present)
	if len(l.Problems) > before && rules.Problems(l.Problems[before:]).Errors() {
		return
	}
	switch {
	case r.Window != nil:
		r.On = nil
		if r.When != nil {
			r.Window.Compile(r.When)
		}
	case r.Absent > 0 && present["on"] == nil:
		// A report is about a call that was seen before.
		r.On = []call.Kind{call.Progress, call.Stats, call.Ended}
	}
}
