package declared

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/declared/expression"
	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
)

// Bounds of a file.
const (
	maxEvents   = 100
	maxTests    = 200
	maxSchemes  = 8
	maxSettings = 20
)

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9]{1,31}$`)
	settingForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,63}$`)
	headerForm  = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// loader reads one file.
type loader struct {
	*yamlfile.Document
	d        *Declaration
	settings map[string]*normalizer.Setting
	common   []assignment
	supplied map[string]bool
	folder   string
}

// Load compiles the content of a file. The declaration is nil where a problem is an error.
func Load(file string, src []byte) (*Declaration, yamlfile.Problems) {
	doc, root := yamlfile.Parse(file, "events", src)
	return load(doc, root, nameOf(file), filepath.Dir(file))
}

// LoadNode compiles a declaration that is within another file, which src is.
func LoadNode(file, name string, src []byte, root ast.Node) (*Declaration, yamlfile.Problems) {
	doc := &yamlfile.Document{File: file, What: "events", Lines: strings.Split(yamlfile.TextOf(src), "\n")}
	return load(doc, root, name, filepath.Dir(file))
}

func nameOf(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml")
}

func load(doc *yamlfile.Document, root ast.Node, name, folder string) (*Declaration, yamlfile.Problems) {
	l := &loader{Document: doc, d: &Declaration{Name: name, File: doc.File}, settings: map[string]*normalizer.Setting{}, supplied: map[string]bool{}, folder: folder}
	if root != nil {
		l.file(root)
	}
	l.Problems.Sort()
	if l.Problems.Errors() {
		return nil, l.Problems
	}
	return l.d, l.Problems
}

func (l *loader) file(root ast.Node) {
	nodes := map[string]ast.Node{}
	hold := func(key string) func(ast.Node) { return func(n ast.Node) { nodes[key] = n } }
	known := yamlfile.Keys{}
	for _, key := range append(DeclarationKeys(), "name") {
		known[key] = hold(key)
	}
	l.Mapping(root, "a provider", known)
	l.identity(root, nodes)
	for _, part := range []struct {
		key  string
		read func(ast.Node)
	}{
		{"settings", l.readSettings},
		{"headers", l.readHeaders},
		{"verify", l.readVerify},
		{"body", l.readBody},
		{"set", func(n ast.Node) { l.common = l.assignments(n, "set", nil) }},
		{"causes", l.readCauses},
		{"fetch", l.readFetch},
		{"events", l.readEvents},
		{"ignore", func(n ast.Node) { l.d.ignore = l.expression(n, "ignore") }},
		{"otherwise", func(n ast.Node) {
			word, _ := l.Word(n, "otherwise", "refuse", "ignore")
			l.d.refuse = word != "ignore"
		}},
		{"tests", l.readTests},
	} {
		if n := nodes[part.key]; n != nil {
			part.read(n)
		}
	}
	if nodes["otherwise"] == nil {
		l.d.refuse = true
	}
	if nodes["events"] == nil {
		l.Add(yamlfile.At(root), "no-events", "the provider has no events", "add a list under events:")
	}
	if nodes["verify"] == nil {
		l.Add(yamlfile.At(root), "no-verify", "nothing says how webhooks are verified", "add verify: such as {hmac: {secret: SIGNING_SECRET, header: X-Signature}}, or verify: none where the provider cannot sign")
	}
	l.finish()
}

func (l *loader) identity(root ast.Node, nodes map[string]ast.Node) {
	at := yamlfile.At(root)
	if n := nodes["name"]; n != nil {
		if name, ok := l.Text(n, "name"); ok {
			if at = yamlfile.At(n); name != l.d.Name && nameForm.MatchString(name) {
				l.Add(at, "bad-name", fmt.Sprintf("the file is named %s, the provider %s", l.d.Name, name), "give the file the provider's name")
			}
		}
	}
	if !nameForm.MatchString(l.d.Name) {
		l.Add(at, "bad-name", fmt.Sprintf("%q cannot be the name of a provider", l.d.Name), "it is the name of the file: 2 to 32 lower case letters and digits, a letter first, such as acme.yaml")
	}
	l.d.Title = l.d.Name
	if n := nodes["title"]; n != nil {
		if title, ok := l.Text(n, "title"); ok {
			l.d.Title = title
		}
	}
	if n := nodes["doc"]; n != nil {
		l.d.Doc, _ = l.Text(n, "doc")
	}
}

func (l *loader) finish() {
	d := l.d
	for _, name := range slices.Sorted(maps.Keys(l.settings)) {
		s := *l.settings[name]
		if s.Use == "" {
			s.Use, s.Secret = normalizer.ForREST, secretName(name)
		}
		if s.Doc == "" {
			s.Doc = map[normalizer.Use]string{normalizer.ForVerify: "verifies the webhooks of " + d.Title + "; a list during rotation", normalizer.ForREST: "for the API of " + d.Title}[s.Use]
		}
		d.settings = append(d.settings, s)
	}
	d.unsigned = len(d.verify) == 0
	stamped := len(d.verify) > 0
	for _, s := range d.verify {
		d.signsURL = d.signsURL || expression.Uses(s.Signed, "url") || expression.Uses(s.Signed, "path")
		stamped = stamped && s.Tolerance > 0
		d.replay = max(d.replay, s.Tolerance)
	}
	if !stamped {
		d.replay = 24 * time.Hour // nothing signed tells the time
	}
	for _, f := range call.Fields() {
		if l.supplied[f.Name] {
			d.supplies = append(d.supplies, f.Name)
		}
	}
}

// setting notes that a setting is used.
func (l *loader) setting(n ast.Node, what string, use normalizer.Use) string {
	name, ok := l.Text(n, what)
	if !ok {
		return ""
	}
	if !settingForm.MatchString(name) {
		l.Add(yamlfile.At(n), "bad-setting", fmt.Sprintf("%s: %q is not the name of a setting", what, name),
			"a name in upper case such as SIGNING_SECRET: its value comes from CALLWATCH_"+strings.ToUpper(l.d.Name)+"_SIGNING_SECRET, or the file that ..._FILE names")
		return ""
	}
	l.use(name, use)
	return name
}

func (l *loader) use(name string, use normalizer.Use) {
	if name == normalizer.URLToken || name == normalizer.APIURL {
		return
	}
	s := l.settings[name]
	if s == nil {
		s = &normalizer.Setting{Name: name}
		l.settings[name] = s
	}
	if s.Use == "" {
		s.Use = use
	}
	s.Secret = s.Secret || use == normalizer.ForVerify || secretName(name)
}

// secretName says whether the name of a setting is that of a secret.
func secretName(name string) bool {
	return slices.ContainsFunc([]string{"KEY", "TOKEN", "SECRET", "PASSWORD"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

func (l *loader) readSettings(n ast.Node) {
	count := 0
	l.Entries(n, "settings", func(name string, at yamlfile.Pos, value ast.Node) {
		if count++; count > maxSettings || !settingForm.MatchString(name) {
			l.Add(at, "bad-setting", fmt.Sprintf("%q is not the name of a setting", name), "a name in upper case such as API_KEY, with a sentence that says where to find it")
			return
		}
		doc, ok := l.Text(value, name)
		if ok {
			l.settings[name] = &normalizer.Setting{Name: name, Doc: doc, Use: ""}
		}
	})
}

func (l *loader) readHeaders(n ast.Node) {
	for _, name := range l.Texts(n, "headers") {
		switch {
		case !headerForm.MatchString(name):
			l.Add(yamlfile.At(n), "bad-header", fmt.Sprintf("%q is not the name of a header", name), "")
		case slices.Contains([]string{"authorization", "cookie", "proxy-authorization"}, strings.ToLower(name)):
			l.Add(yamlfile.At(n), "bad-header", name+" holds credentials: it is never stored", "")
		default:
			l.d.headers = append(l.d.headers, name)
		}
	}
}

// expression compiles a condition, or what must be there.
func (l *loader) expression(n ast.Node, what string) *expression.Expression {
	e := l.compiled(n, what, expression.Condition)
	if e != nil && e.Constant() {
		r := expression.Run{Roots: nil}
		if v := r.Eval(e); v != nil && v != true && v != false {
			l.Add(yamlfile.At(n), "wrong-type", fmt.Sprintf("%s: %s is no condition", what, expression.Encode(v)), `a comparison such as body.type == "ended"`)
		}
	}
	return e
}

func (l *loader) compiled(n ast.Node, what string, use expression.Use) *expression.Expression {
	source, ok := l.Text(n, what)
	if !ok {
		return nil
	}
	if source == "{}" {
		source = ""
	}
	e, failed := expression.Compile(source, l.d.body.embedded, use)
	if failed == nil {
		return e
	}
	l.Add(l.Place(n, source, 1+strings.Count(string([]rune(source)[:min(failed.At.From, len([]rune(source)))]), "\n"), columnOf(source, failed.At.From)), "bad-expression", what+": "+failed.Message, failed.Hint)
	return nil
}

// columnOf is the column of a place in a text of several lines, from 1.
func columnOf(source string, offset int) int {
	r := []rune(source)
	offset = min(offset, len(r))
	column := 1
	for _, c := range r[:offset] {
		if column++; c == '\n' {
			column = 1
		}
	}
	return column
}

// pathAt compiles an expression that has to be a path.
func (l *loader) pathAt(n ast.Node, what string) *expression.Path {
	e := l.expression(n, what)
	if e == nil {
		return nil
	}
	if e.Path() == nil {
		l.Add(yamlfile.At(n), "bad-path", what+" is a path, not an expression", "such as body.data.call")
		return nil
	}
	return e.Path()
}

func (l *loader) readBody(n ast.Node) {
	var id ast.Node
	l.Mapping(n, "body", yamlfile.Keys{
		"format": func(n ast.Node) {
			word, _ := l.Word(n, "format", "json", "form", "any")
			l.d.body.format = map[string]string{"json": "json", "form": "form"}[word]
		},
		"each": func(n ast.Node) {
			if p := l.pathAt(n, "each"); p != nil {
				whole := *p
				whole.Root = "whole"
				l.d.body.each = &whole
			}
		},
		"json": func(n ast.Node) {
			l.List(n, "json", func(n ast.Node) {
				if p := l.pathAt(n, "json"); p != nil {
					l.d.body.embedded = append(l.d.body.embedded, p.Members)
				}
			})
		},
		"id":      func(n ast.Node) { id = n },
		"raw":     func(n ast.Node) { l.d.body.raw = l.pathAt(n, "raw") },
		"without": func(n ast.Node) { l.d.body.without = l.Texts(n, "without") },
	})
	if id != nil {
		l.d.body.id = l.expression(id, "id")
	}
}

// assignments reads fields with their expressions. More are names that are no fields of a
// call.
func (l *loader) assignments(n ast.Node, what string, more map[string]call.Field) []assignment {
	var out []assignment
	l.Entries(n, what, func(name string, at yamlfile.Pos, value ast.Node) {
		f, known := more[name]
		if !known && more == nil {
			f, known = settable(name)
		}
		if !known {
			l.Add(at, "unknown-field", fmt.Sprintf("%s: there is no field %q", what, name), l.fieldHint(name, more))
			return
		}
		e := l.compiled(value, name, expression.Fact)
		if e == nil {
			return
		}
		if more == nil {
			l.supply(name)
		}
		l.constant(value, e, f)
		out = append(out, assignment{name: name, field: f, value: e})
	})
	return out
}

// constant checks a value that does not depend on the body.
func (l *loader) constant(n ast.Node, e *expression.Expression, f call.Field) {
	if !e.Constant() {
		return
	}
	r := expression.Run{Roots: nil}
	v := r.Eval(e)
	var to call.Event
	if x, number := expression.AsFloat(expression.Number(v)); number && (f.Min != nil && x < *f.Min || f.Max != nil && x > *f.Max) {
		l.Add(yamlfile.At(n), "bad-range", fmt.Sprintf("%s cannot be %s", f.Name, expression.Encode(v)), f.Doc)
		return
	}
	if _, known := call.Lookup(f.Name); v != nil && known && !assign(&to, &assignment{name: f.Name, field: f}, v) {
		l.Add(yamlfile.At(n), "wrong-type", fmt.Sprintf("%s: %s", f.Name, misfit(&assignment{field: f}, v)), f.Doc)
	}
}

// settable finds a field that mappings may set.
func settable(name string) (call.Field, bool) {
	switch name {
	case turnLatencies:
		return call.Field{Name: turnLatencies, Doc: "latencies of the turns in ms, as a list: sets turnLatencyMs, turnLatencyP95Ms and turnLatencyMaxMs", Type: call.List, Unit: "ms"}, true
	case "id", "provider", "kind", "receivedAt", "final", "intervals", "raw", "rawId", "mosSource", "mosProvider", "mosEstimate", "mosScope", "mosGrounding", "mosMissing", "rFactor", "aliases":
		return call.Field{}, false
	}
	return call.Lookup(name)
}

// fieldNames are the fields that mappings may set.
func fieldNames() []string {
	names := []string{turnLatencies}
	for _, f := range call.Fields() {
		if _, ok := settable(f.Name); ok {
			names = append(names, f.Name)
		}
	}
	return names
}

func (l *loader) fieldHint(name string, more map[string]call.Field) string {
	known := slices.Sorted(maps.Keys(more))
	if more == nil {
		known = fieldNames()
	}
	if near := spelling.Nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "what has no field stays in raw"
}

func (l *loader) supply(name string) {
	switch name {
	case turnLatencies:
		l.supplied["turnLatencyMs"], l.supplied["turnLatencyP95Ms"], l.supplied["turnLatencyMaxMs"] = true, true, true
	case "mos":
		l.supplied["mos"], l.supplied["mosSource"], l.supplied["mosProvider"] = true, true, true
	default:
		l.supplied[name] = true
	}
}

func (l *loader) readEvents(n ast.Node) {
	count := 0
	l.List(n, "events", func(n ast.Node) {
		if count++; l.Within(n, count-1, maxEvents, "events") {
			l.readEvent(n)
		}
	})
	if count == 0 {
		l.Add(yamlfile.At(n), "no-events", "the list of events is empty", "")
	}
}

func (l *loader) readEvent(n ast.Node) {
	k := event{}
	var own []assignment
	l.Mapping(n, "an event", yamlfile.Keys{
		"name": func(n ast.Node) { k.name, _ = l.Text(n, "name") },
		"when": func(n ast.Node) { k.when = l.expression(n, "when") },
		"kind": func(n ast.Node) {
			word, _ := l.Word(n, "kind", string(call.Progress), string(call.Stats), string(call.Ended), string(call.Report))
			k.kind = call.Kind(word)
		},
		"final":   func(n ast.Node) { k.final = l.expression(n, "final") },
		"set":     func(n ast.Node) { own = l.assignments(n, "set", nil) },
		"segment": func(n ast.Node) { k.segment = l.expression(n, "segment") },
		"counters": func(n ast.Node) {
			word, _ := l.Word(n, "counters", "cumulative", "own")
			k.counters = word == "cumulative"
		},
		"intervals": func(n ast.Node) { k.intervals = l.readIntervals(n) },
		"turns":     func(n ast.Node) { k.turns = l.readTurns(n) },
	})
	if k.kind == "" && !l.Problems.Errors() {
		l.Add(yamlfile.At(n), "no-kind", "an event needs a kind", "kind: progress, stats, ended or report")
	}
	k.name = cmp.Or(k.name, string(k.kind))
	named := func(name string) bool {
		return slices.ContainsFunc(own, func(a assignment) bool { return a.name == name })
	}
	for _, a := range l.common {
		if !named(a.name) {
			k.set = append(k.set, a)
		}
	}
	k.set = append(k.set, own...)
	if !slices.ContainsFunc(k.set, func(a assignment) bool { return a.name == "callId" }) && !l.Problems.Errors() {
		l.Add(yamlfile.At(n), "no-call-id", "the event has no callId", "add callId: to set:")
	}
	l.d.events = append(l.d.events, k)
}

// intervalFields are what intervals may set.
func intervalFields() map[string]call.Field {
	fields := map[string]call.Field{
		"start": {Name: "start", Type: call.Time, Doc: "start of the interval"}, "end": {Name: "end", Type: call.Time, Doc: "end of the interval"},
	}
	for _, name := range []string{
		"packetsReceived", "packetsLost", "packetsSent", "packetsDiscarded", "bytesReceived", "bytesSent", "remotePacketsLost",
		"packetLossPct", "jitterMs", "rttMs", "audioLevel", "mos",
	} {
		fields[name], _ = call.Lookup(name)
	}
	return fields
}

func (l *loader) readIntervals(n ast.Node) *parts {
	iv := &parts{}
	l.Mapping(n, "intervals", yamlfile.Keys{
		"each": func(n ast.Node) { iv.each = l.pathAt(n, "each") },
		"set": func(n ast.Node) {
			iv.set = l.assignments(n, "set", intervalFields())
			for _, a := range iv.set {
				if a.name != "start" && a.name != "end" {
					l.supply(a.name)
				}
			}
		},
	})
	for _, name := range []string{"start", "end"} {
		if !slices.ContainsFunc(iv.set, func(a assignment) bool { return a.name == name }) && !l.Problems.Errors() {
			l.Add(yamlfile.At(n), "no-times", "intervals need "+name, "add "+name+": to set:")
		}
	}
	return iv
}

// turnFields are what turns may set.
func turnFields() map[string]call.Field {
	fields := map[string]call.Field{}
	for name, doc := range map[string]string{
		"sttMs": "speech to text", "llmMs": "language model", "ttsMs": "text to speech",
		"latencyMs": "from the end of the user's speech to the agent's first audio",
	} {
		fields[name] = call.Field{Name: name, Type: call.Number, Unit: "ms", Doc: doc}
	}
	return fields
}

func (l *loader) readTurns(n ast.Node) *parts {
	turns := &parts{}
	l.Mapping(n, "turns", yamlfile.Keys{
		"each": func(n ast.Node) { turns.each = l.pathAt(n, "each") },
		"set":  func(n ast.Node) { turns.set = l.assignments(n, "set", turnFields()) },
	})
	if turns.each == nil && !l.Problems.Errors() {
		l.Add(yamlfile.At(n), "no-each", "turns need the list that has them", "add each: body.turns")
	}
	return turns
}

func (l *loader) readCauses(n ast.Node) {
	l.d.causes = map[string]normalizer.Cause{}
	classes, _ := call.Lookup("hangupClass")
	l.Entries(n, "causes", func(word string, _ yamlfile.Pos, value ast.Node) {
		class, ok := l.Text(value, word)
		if !ok {
			return
		}
		class, severity, _ := strings.Cut(class, " ")
		if !slices.Contains(classes.Enum, class) {
			hint := "one of: " + strings.Join(classes.Enum, ", ")
			if near := spelling.Nearest(class, classes.Enum); near != "" {
				hint = "did you mean " + near + "?"
			}
			l.Add(yamlfile.At(value), "unknown-class", fmt.Sprintf("%s: %q is no class of hangup causes", word, class), hint)
			return
		}
		cause, ok := normalizer.CauseOf(class, strings.TrimSpace(severity))
		if !ok {
			l.Add(yamlfile.At(value), "unknown-severity", fmt.Sprintf("%s: %q is no severity", word, severity), "harmless, info, warning or critical; warning where it is left out")
			return
		}
		l.d.causes[strings.ToLower(word)] = cause
	})
}

// span is a duration within bounds.
func (l *loader) span(n ast.Node, what string, most time.Duration) time.Duration {
	v, ok := l.Duration(n, what)
	if ok && (v <= 0 || v > most) {
		l.Add(yamlfile.At(n), "bad-duration", fmt.Sprintf("%s must be above 0 and up to %s", what, most), "")
		return 0
	}
	return v
}

// figure is a number within bounds.
func (l *loader) figure(n ast.Node, what string, least, most float64) float64 {
	s, ok := l.Text(n, what)
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= least && f <= most) {
		l.Add(yamlfile.At(n), "bad-range", fmt.Sprintf("%s must be a number from %v to %v", what, least, most), "")
		return 0
	}
	return f
}
