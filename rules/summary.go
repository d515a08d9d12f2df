package rules

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"callwatch/call"
)

// maxSummary bounds a rendered summary in bytes.
const maxSummary = 600

// Summary is the sentence that an incident is announced with.
type Summary struct{ t *template.Template }

// SummaryFacts is what a summary can tell.
type SummaryFacts struct {
	Rule     string
	Severity Severity
	By       map[string]string
	Value    any // of a window, its leading figure at worst; else of the first condition that held; NaN where that is no number
	Call     map[string]any
	Counts   Counts
	Since    time.Time
}

// parseSummary compiles a text/template and tries it once on a made-up incident.
func parseSummary(src string) (*Summary, error) {
	t, err := template.New("summary").Option("missingkey=zero").Funcs(template.FuncMap{
		"pct": percent, "num": shortNumber, "dur": shortDuration, "mask": MaskNumber,
	}).Parse(src)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define is not supported")
	}
	if err := onlyPlain(t.Root); err != nil {
		return nil, err
	}
	s := &Summary{t}
	_, err = s.render(SummaryFacts{Rule: "rule", Severity: Warning, By: map[string]string{}, Value: 1.0, Call: map[string]any{}})
	return s, err
}

// onlyPlain refuses what could run long: loops and nested templates.
func onlyPlain(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := onlyPlain(c); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(onlyPlain(n.List), onlyPlain(n.ElseList))
	case *parse.WithNode:
		return errors.Join(onlyPlain(n.List), onlyPlain(n.ElseList))
	case *parse.RangeNode, *parse.TemplateNode:
		return errors.New("range and template are not supported")
	}
	return nil
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

// summarize is the incident's sentence by its rule, or the default one: what was
// seen, and on what. It is built from the worst call, as the severity is.
func (r *Rule) summarize(in *Incident) string {
	if r.Summary != nil {
		if s, err := r.Summary.render(summaryFacts(in)); err == nil && s != "" {
			return s
		}
	}
	what := "a call matched"
	if held := telling(in.Worst.Conditions); len(held) > 0 {
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

// telling are the conditions that held, one for each value met: of `mos < 3.5`
// and `mos < 3` the first says enough.
func telling(conditions []Condition) []string {
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

func summaryFacts(in *Incident) SummaryFacts {
	f := SummaryFacts{
		Rule: in.Rule, Severity: in.Severity, By: map[string]string{}, Value: math.NaN(),
		Call: map[string]any{}, Counts: in.Counts, Since: in.OpenedAt,
	}
	for _, l := range in.By {
		f.By[l.Name] = l.Value
	}
	for _, field := range call.Fields() {
		if v := field.Value(&in.Worst.Call); v != nil {
			f.Call[field.Name] = v
		}
	}
	if v := in.Values; v != nil {
		f.Value = v.shown(v.Worst, v.WorstMeasure)
		return f
	}
	for _, c := range in.Worst.Conditions {
		if c.Truth == True && c.Value != nil {
			f.Value = metValue(&c)
			break
		}
	}
	return f
}

// percent writes a share of 0..1 as a percentage; values above 1 are taken as
// percent already.
func percent(v any) string {
	scale := 100.0
	if f, ok := toFloat(v); ok && math.Abs(f) > 1 {
		scale = 1
	}
	text, ok := written(v, scale, 1, " %")
	if !ok {
		return "unknown"
	}
	return text
}

// shortNumber has two decimals at most.
func shortNumber(v any) string {
	text, ok := written(v, 1, 2, "")
	if !ok {
		return "unknown"
	}
	return text
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v)
	case atLeast:
		return float64(v), !math.IsNaN(float64(v))
	case atMost:
		return float64(v), !math.IsNaN(float64(v))
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	default:
		return 0, false
	}
}

// shortDuration writes a duration, or seconds, as people say it: 45s, 12m, 3h 5m.
func shortDuration(v any) string {
	d, ok := v.(time.Duration)
	if !ok {
		f, number := toFloat(v)
		if !number {
			return "unknown"
		}
		d = time.Duration(f * float64(time.Second))
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60), " 0s")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60), " 0m")
	}
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
