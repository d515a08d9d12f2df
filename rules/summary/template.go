// Package summary renders the sentence that an incident is announced with from a template of
// the rules file. A template is checked when the file is loaded, and what it writes is
// bounded. It may import call, rules/condition and rules/numbers.
package summary

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"text/template"
	"time"

	"callwatch/rules/numbers"
)

// Bounds of a summary, in bytes.
const (
	MaxText   = 600 // rendered
	MaxSource = 4096
)

// Template is the sentence that an incident is announced with.
type Template struct {
	t  *template.Template
	By []string // labels that it names
}

// Facts is what a summary can tell. What is unknown prints as "unknown"
// and is false in a condition.
type Facts struct {
	Rule     string
	Severity string
	By       map[string]Text
	Value    any            // of a window, its leading figure at worst, or the quotient of it that is compared; else of the first condition that held
	Call     map[string]any // by the field table, unknown ones included
	Counts   any            // a struct, whose members can be told
	Since    Since
}

// Text prints as "unknown" where it is empty.
type Text string

func (u Text) String() string { return cmp.Or(string(u), "unknown") }

// Since is how long the condition of an incident has held. As a time it is when that
// began, which `for`, active hours and cooldown put before the opening.
type Since struct {
	time.Time
	held time.Duration
}

// SinceOf is how long a condition has held that began to hold at a time.
func SinceOf(began time.Time, held time.Duration) Since { return Since{began, held} }

func (s Since) String() string { return numbers.FormatDuration(s.held) }

// Parse compiles a text/template and tries it once on the facts of a sample, in which
// everything is known. Errors are for people who do not know Go.
func Parse(src string, sample Facts) (*Template, error) {
	s, err := parseTemplate(src, sample)
	if err != nil {
		return nil, errors.New(summaryError(err))
	}
	return s, nil
}

func parseTemplate(src string, sample Facts) (*Template, error) {
	if len(src) > MaxSource {
		return nil, fmt.Errorf("it has %d bytes; %d are allowed", len(src), MaxSource)
	}
	t, err := template.New("summary").Funcs(template.FuncMap{
		"pct": numbers.Percent, "num": numbers.Format, "dur": duration, "mask": mask,
		"print": boundedPrint, "printf": boundedPrintf,
	}).Parse(src)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define is not supported")
	}
	s := &Template{t: t}
	check := summaryCheck{s: s, sample: &sample}
	check.node(t.Root, dotRoot)
	if len(check.errs) > 0 {
		return nil, check.errs[0]
	}
	text, err := s.Render(sample)
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

// Render is the sentence about an incident.
func (s *Template) Render(f Facts) (string, error) {
	w := &boundedWriter{left: MaxText}
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

const maxSeconds = 1e15 // a length of time that is not known to be one

// duration writes a length of time, given as one, in milliseconds by its unit,
// or in seconds. A point in time is written as it is.
func duration(v any) string {
	switch v := v.(type) {
	case Since:
		return numbers.FormatDuration(v.held)
	case time.Duration:
		return numbers.FormatDuration(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case numbers.InMillis:
		if math.Abs(float64(v)) < 1000 {
			return numbers.Format(v) + " ms"
		}
		return duration(float64(v) / 1000)
	}
	f, ok := numbers.Float(v)
	if !ok {
		return "unknown"
	}
	return numbers.FormatDuration(time.Duration(max(-maxSeconds, min(f, maxSeconds/1e7)) * float64(time.Second)))
}

// mask is numbers.Mask of whatever is given.
func mask(v any) string {
	switch v := v.(type) {
	case Text:
		if v == "" {
			return "unknown"
		}
		return numbers.Mask(string(v))
	case string:
		return numbers.Mask(v)
	}
	return numbers.Mask(boundedPrint(v))
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
	if len(s) <= MaxText {
		return s
	}
	return strings.ToValidUTF8(s[:MaxText], "")
}
