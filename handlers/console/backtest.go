package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/format"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

// backtestTime is for how long an answer may be written.
const backtestTime = 6 * time.Minute

// draft is a rule that is being written.
type draft struct {
	Name, When, Where, Over, MinCalls, By, Severity string
	Whole                                           string // a rules file that replaces all of these
	Run                                             bool   // at once, over the last week
}

// yaml is the rules file with the draft alone in it.
func (d *draft) yaml() string {
	if strings.TrimSpace(d.Whole) != "" {
		return d.Whole
	}
	var out strings.Builder
	out.WriteString("rules:\n  - name: " + quoted(cmp.Or(d.Name, "draft")) + "\n")
	for _, line := range []pair{{"where", d.Where}, {"over", d.Over}, {"min_calls", d.MinCalls}, {"when", d.When}} {
		switch {
		case line.Value == "":
		case line.Name == "min_calls":
			fmt.Fprintf(&out, "    min_calls: %s\n", strings.Map(digits, line.Value))
		default:
			fmt.Fprintf(&out, "    %s: %s\n", line.Name, quoted(line.Value))
		}
	}
	var by []string
	for name := range strings.SplitSeq(d.By, ",") {
		if name = strings.TrimSpace(name); name != "" {
			by = append(by, quoted(name))
		}
	}
	if by != nil {
		out.WriteString("    by: [" + strings.Join(by, ", ") + "]\n")
	}
	out.WriteString("    severity: " + quoted(cmp.Or(d.Severity, "warning")) + "\n")
	return out.String()
}

// quoted is a text as YAML reads it back, in one line.
func quoted(s string) string {
	return "'" + strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "'", "''") + "'"
}

func digits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

type backtestView struct {
	Report backtest.Report
	Rule   *backtest.RuleReport // the draft
	YAML   string
	Bars   []bar
	Tallest,
	Width int
	Unit string // length of time of one bar
	Took time.Duration
}

// bar is one column of the histogram of matching calls.
type bar struct {
	X, Y, Height, Count int // of a drawing 100 high
	From                time.Time
}

// backtest runs a draft over what is stored, beside the rules in force.
func (c *console) backtest(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	d := draft{
		Name: text("name"), When: text("when"), Where: text("where"), Over: text("over"), MinCalls: text("min_calls"),
		By: text("by"), Severity: text("severity"), Whole: form.Get("whole"),
	}
	if d.When == "" && strings.TrimSpace(d.Whole) == "" {
		return &failure{status: http.StatusUnprocessableEntity, title: "No condition yet", detail: "Write when the rule shall match, such as mos < 3.5."}
	}
	src := d.yaml()
	set, problems, err := c.History.Check(ec.Request().Context(), []rules.Source{{Name: "draft.yaml", Text: []byte(src)}})
	if err != nil {
		return failed(err, "call")
	}
	if problems.Errors() || len(set.Rules) == 0 {
		return &failure{status: http.StatusUnprocessableEntity, title: "The draft cannot be used", detail: "Fix the highlighted errors and try again.", problems: problems}
	}
	q := backend.BacktestQuery{Rules: set, Baseline: true}
	if length := text("since"); length != "" {
		back, err := rules.ParseDuration(length)
		if err != nil {
			return &failure{status: http.StatusUnprocessableEntity, title: "Not a length of time", detail: "Write it like 1h, 24h or 7d."}
		}
		q.Since = c.Now().Add(-back)
	}
	patient(ec)
	begun := c.Now()
	report, err := c.History.Backtest(ec.Request().Context(), q, nil)
	if err != nil {
		return failed(err, "call")
	}
	v := backtestView{Report: report, YAML: src, Took: c.Now().Sub(begun)}
	if i := slices.IndexFunc(report.Rules, func(r backtest.RuleReport) bool { return r.Name == set.Rules[0].Name }); i >= 0 {
		v.Rule = &report.Rules[i]
		v.Bars, v.Unit = histogram(v.Rule.Calls)
		for _, b := range v.Bars {
			v.Tallest = max(v.Tallest, b.Count)
		}
		v.Width = len(v.Bars) * barWidth
	}
	return c.render(ec, http.StatusOK, "rules", "backtest-result", v)
}

const (
	barWidth = 10
	maxBars  = 60
)

// histogram counts calls by time: by the shortest round length of time of which
// maxBars hold all.
func histogram(calls []backtest.CallMatch) (bars []bar, unit string) {
	if len(calls) == 0 {
		return nil, ""
	}
	first, last := calls[0].At, calls[0].At
	for i := range calls {
		if calls[i].At.Before(first) {
			first = calls[i].At
		}
		if calls[i].At.After(last) {
			last = calls[i].At
		}
	}
	step := time.Second
	for _, step = range []time.Duration{
		time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 365 * 24 * time.Hour,
	} {
		if last.Sub(first.Truncate(step)) < maxBars*step {
			break
		}
	}
	first = first.Truncate(step)
	bars = make([]bar, min(maxBars, int(last.Sub(first)/step)+1))
	tallest := 0
	for i := range calls {
		b := &bars[min(len(bars)-1, int(calls[i].At.Sub(first)/step))]
		b.Count++
		tallest = max(tallest, b.Count)
	}
	for i := range bars {
		b := &bars[i]
		b.From = first.Add(time.Duration(i) * step)
		b.X, b.Height = i*barWidth, (b.Count*100+tallest-1)/tallest
		b.Y = 100 - b.Height
	}
	return bars, format.Span(step)
}

// patient lets an answer take longer than the server's usual time.
func patient(ec echo.Context) {
	conn := http.NewResponseController(ec.Response())
	_ = conn.SetReadDeadline(time.Time{}) // the request is read
	_ = conn.SetWriteDeadline(time.Now().Add(backtestTime))
}
