package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strings"
	"text/template"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Bounds of a summary, in bytes.
const (
	maxSummary       = 600 // rendered
	maxSummarySource = 4096
)

// Summary is the sentence that an incident is announced with.
type Summary struct {
	t  *template.Template
	By []string // labels that it names
}

// SummaryFacts is what a summary can tell. What is unknown prints as "unknown"
// and is false in a condition.
type SummaryFacts struct {
	Rule     string
	Severity Severity
	By       map[string]unknownText
	Value    any            // of a window, its leading figure at worst; else of the first condition that held
	Call     map[string]any // by the field table, unknown ones included
	Counts   Counts
	Since    since
}

// unknownText prints as "unknown" where it is empty.
type unknownText string

func (u unknownText) String() string { return cmp.Or(string(u), "unknown") }

// Numbers of a unit that pct and dur have to know.
type (
	inPercent float64
	inMillis  float64
	share     float64
)

// since is how long the condition of an incident has held. As a time it is when that
// began, which `for`, active hours and cooldown put before the opening.
type since struct {
	time.Time
	held time.Duration
}

func (s since) String() string { return FormatDuration(s.held) }

// ParseSummary compiles a text/template and tries it once on a sample incident. Errors are
// for people who do not know Go.
func ParseSummary(src string, tables map[string]*condition.Table) (*Summary, error) {
	s, err := parseSummary(src, tables)
	if err != nil {
		return nil, errors.New(summaryError(err))
	}
	return s, nil
}

func parseSummary(src string, tables map[string]*condition.Table) (*Summary, error) {
	if len(src) > maxSummarySource {
		return nil, fmt.Errorf("it has %d bytes; %d are allowed", len(src), maxSummarySource)
	}
	t, err := template.New("summary").Funcs(template.FuncMap{
		"pct": percent, "num": FormatNumber, "dur": duration, "mask": mask,
		"print": boundedPrint, "printf": boundedPrintf,
	}).Parse(src)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define is not supported")
	}
	s := &Summary{t: t}
	check := summaryCheck{s: s, tables: tables}
	check.node(t.Root, dotRoot)
	if len(check.errs) > 0 {
		return nil, check.errs[0]
	}
	sample := sampleFacts()
	for name := range tables {
		sample.Call[name] = "text"
	}
	text, err := s.render(sample)
	if bad := wrongVerb.FindString(text); err == nil && bad != "" {
		return nil, fmt.Errorf("printf cannot write a value so: %s; use %%v, or num and pct", bad)
	}
	return s, err
}

var (
	wrongVerb = regexp.MustCompile(`%!.?\([^)]*\)?`) // of package fmt, for a value of another type
	executing = regexp.MustCompile(`executing "summary" at <([^>]*)>: `)
	noMember  = regexp.MustCompile(`can't evaluate field (\w+) in type .*`)
	argCount  = regexp.MustCompile(`wrong number of args for (\w+): want (.+) got (\d+)`)
	compared  = regexp.MustCompile(`error calling (\w+): incompatible types for comparison.*`)
	undefined = regexp.MustCompile(`function "(\w+)" not defined`)
)

// summaryError is what package template says, for people who do not know Go.
func summaryError(err error) string {
	s := strings.TrimPrefix(err.Error(), "template: summary:")
	s = executing.ReplaceAllString(s, "$1: ")
	s = noMember.ReplaceAllString(s, "it has no member $1")
	s = argCount.ReplaceAllString(s, "$1 takes $2 values, not $3")
	s = compared.ReplaceAllString(s, "$1 compares values of one kind: write numbers with a point, such as 3.0")
	return undefined.ReplaceAllString(s, "there is no function $1")
}

// sampleFacts are those of an incident of which everything is known.
func sampleFacts() SummaryFacts {
	var e call.Event
	in := &Incident{Rule: "rule", Severity: Warning}
	in.Worst.Call = e
	f := summaryFacts(in)
	f.Value = 1.0
	for _, field := range call.Fields() {
		switch field.Type {
		case call.Number, call.Integer:
			f.Call[field.Name] = ofUnit(1, field.Unit)
		case call.Text:
			f.Call[field.Name] = "text"
		case call.Bool:
			f.Call[field.Name] = true
		}
	}
	return f
}

func (s *Summary) render(f SummaryFacts) (string, error) {
	w := &boundedWriter{left: maxSummary}
	if err := s.t.Execute(w, f); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return strings.TrimSpace(strings.ToValidUTF8(w.b.String(), "")), nil
}

var errFull = errors.New("summary too long")

type boundedWriter struct {
	b    strings.Builder
	left int
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.b.Write(p[:n])
	w.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

var _ io.Writer = (*boundedWriter)(nil)

// Summarize is the incident's sentence by its rule, or the default one: what was
// seen, and on what. It is built from the worst call, as the severity is.
func (r *Rule) Summarize(in *Incident) string {
	if r.Summary != nil {
		if s, err := r.Summary.render(r.summaryFacts(in)); err == nil && s != "" {
			return s
		}
	}
	what := "a call matched"
	if held := HeldTexts(in.Worst.Conditions); len(held) > 0 {
		what = strings.Join(held, ", ")
	}
	if r.Window != nil {
		what += " over " + r.Window.String()
	}
	var on []string
	for _, l := range in.By {
		if l.Value != "" {
			on = append(on, l.Value)
		}
	}
	if len(on) == 0 {
		return what
	}
	return what + " on " + strings.Join(on, ", ")
}

// HeldTexts are the conditions that held, one for each value met: of `mos < 3.5`
// and `mos < 3` the first says enough.
func HeldTexts(conditions []Condition) []string {
	var texts []string
	seen := map[string]bool{}
	for _, c := range conditions {
		value, _, _ := strings.Cut(c.Text, ") ")
		if c.Truth == True && !seen[value] {
			seen[value] = true
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// summaryFacts are those of an incident, with what the tables of the rules say of its
// worst call.
func (r *Rule) summaryFacts(in *Incident) SummaryFacts {
	f := summaryFacts(in)
	for name, t := range r.Tables {
		text := t.Lookup(&in.Worst.Call)
		if by := f.By[name]; text == "" {
			text = string(by)
		}
		if f.Call[name] = text; text == "" {
			f.Call[name] = unknownText("")
		}
	}
	return f
}

func summaryFacts(in *Incident) SummaryFacts {
	from := in.OpenedAt
	if !in.Since.IsZero() {
		from = in.Since
	}
	f := SummaryFacts{
		Rule: in.Rule, Severity: in.Severity, By: map[string]unknownText{}, Value: unknownText(""),
		Call: map[string]any{}, Counts: in.Counts,
		Since: since{from, max(0, in.UpdatedAt.Sub(from), in.Latest.At.Sub(from))},
	}
	for _, l := range in.By {
		f.By[l.Name] = unknownText(l.Value)
	}
	for _, field := range call.Fields() {
		switch v := field.Value(&in.Worst.Call).(type) {
		case nil:
			f.Call[field.Name] = unknownText("")
		case float64:
			f.Call[field.Name] = ofUnit(v, field.Unit)
		default:
			f.Call[field.Name] = v
		}
	}
	if v := in.Values; v != nil {
		f.Value = known(v.shown(v.Worst, v.WorstMeasure), unitOf(v.Name))
		return f
	}
	for _, c := range in.Worst.Conditions {
		if c.Truth == True && c.Value != nil {
			name, _, _ := strings.Cut(c.Text, " (")
			f.Value = known(metValue(&c), unitOf(name))
			break
		}
	}
	return f
}

// shareUnit is that of rate(...), which no field of a call has.
const shareUnit = "share"

var figureCall = regexp.MustCompile(`^(prev|avg|min|max|p50|p90|p95|p99|rate|p|mean|median)\((.*?)(?:, [0-9.]+[0-9a-z.]*)?\)$`)

// unitOf is the unit of what a condition compares: of a field, or of a figure of
// a window; "" where it has none.
func unitOf(name string) string {
	for {
		m := figureCall.FindStringSubmatch(name)
		switch {
		case m == nil:
			if _, of, elements := strings.Cut(name, ", ."); elements { // of a list
				name = of
			}
			f, _ := call.Lookup(name)
			return f.Unit
		case m[1] == "rate":
			return shareUnit
		}
		name = m[2]
	}
}

// known is a number with its unit; one of which only an end is known stays as it
// is.
func known(v any, unit string) any {
	f, plain := v.(float64)
	switch {
	case !plain:
		return v
	case math.IsNaN(f):
		return unknownText("")
	}
	return ofUnit(f, unit)
}

func ofUnit(v float64, unit string) any {
	switch unit {
	case "%":
		return inPercent(v)
	case "ms":
		return inMillis(v)
	case shareUnit:
		return share(v)
	}
	return v
}

// percent writes a share of 0..1 as a percentage. Numbers whose unit is percent
// are as they are; of those without a unit the ones above 1.
func percent(v any) string {
	scale := 1.0
	_, already := v.(inPercent)
	_, isShare := v.(share)
	if f, ok := toFloat(v); isShare || ok && !already && math.Abs(f) <= 1 {
		scale = 100
	}
	if b, ok := v.(between); ok && math.Abs(b.High) <= 1 {
		scale = 100
	}
	text, ok := written(v, scale, 1, " %")
	if !ok {
		return "unknown"
	}
	return text
}

// FormatNumber writes a number with two decimals at most.
func FormatNumber(v any) string {
	text, ok := written(v, 1, 2, "")
	if !ok {
		return "unknown"
	}
	return text
}

func toFloat(v any) (float64, bool) {
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.Float64, reflect.Float32:
		return v.Float(), !math.IsNaN(v.Float())
	case reflect.Int, reflect.Int64:
		return float64(v.Int()), true
	default:
		return 0, false
	}
}

const maxSeconds = 1e15 // a length of time that is not known to be one

// duration writes a length of time, given as one, in milliseconds by its unit,
// or in seconds. A point in time is written as it is.
func duration(v any) string {
	switch v := v.(type) {
	case since:
		return FormatDuration(v.held)
	case time.Duration:
		return FormatDuration(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case inMillis:
		if math.Abs(float64(v)) < 1000 {
			return FormatNumber(v) + " ms"
		}
		return duration(float64(v) / 1000)
	}
	f, ok := toFloat(v)
	if !ok {
		return "unknown"
	}
	return FormatDuration(time.Duration(max(-maxSeconds, min(f, maxSeconds/1e7)) * float64(time.Second)))
}

// shortDuration writes a duration as people say it: 45s, 12m, 3h 5m.
func FormatDuration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60), " 0s")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60), " 0m")
	}
}

// mask is MaskNumber of whatever is given.
func mask(v any) string {
	switch v := v.(type) {
	case unknownText:
		if v == "" {
			return "unknown"
		}
		return MaskNumber(string(v))
	case string:
		return MaskNumber(v)
	}
	return MaskNumber(boundedPrint(v))
}

// boundedPrint is print of text/template; what is longer than a summary is cut,
// so that a text cannot be doubled over and over.
func boundedPrint(values ...any) string { return cut(fmt.Sprint(values...)) }

var wideVerb = regexp.MustCompile(`%[^a-zA-Z%]*(\*|\d{3})`)

// boundedPrintf is printf of text/template, cut as boundedPrint.
func boundedPrintf(format string, values ...any) (string, error) {
	if wideVerb.MatchString(format) {
		return "", errors.New("printf: widths have two digits at most")
	}
	return cut(fmt.Sprintf(format, values...)), nil
}

func cut(s string) string {
	if len(s) <= maxSummary {
		return s
	}
	return strings.ToValidUTF8(s[:maxSummary], "")
}

// MaskNumber hides a telephone number but for its country code's first digit and
// its last two. What is no number is hidden whole but for its first letter.
func MaskNumber(s string) string {
	r := []rune(s)
	if len(r) < 5 {
		return strings.Repeat("•", len(r))
	}
	head, tail := 1, 0
	if r[0] == '+' {
		head, tail = 2, 2
	}
	return string(r[:head]) + strings.Repeat("•", len(r)-head-tail) + string(r[len(r)-tail:])
}
