package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

type rulesView struct {
	File  backend.RulesFile
	Rules []rules.Health
	Calls []call.Key // the latest, to choose from
	Draft draft
}

func (c *console) rules(ec echo.Context) error {
	page, err := c.History.Events(ec.Request().Context(), backend.EventQuery{Limit: 50})
	if err != nil {
		return failed(err, "event")
	}
	v := rulesView{File: c.API.Rules(), Rules: c.Health(), Draft: draft{
		Name: cmp.Or(ec.QueryParam("name"), "draft"), Severity: "warning", By: "provider", When: ec.QueryParam("expr"), Whole: ec.QueryParam("whole"),
		// A link of another site starts no work.
		Run: ec.QueryParam("run") == "1" && ec.Request().Header.Get("Sec-Fetch-Site") == "same-origin",
	}}
	seen := map[call.Key]bool{}
	for i := range page.Events {
		if k := page.Events[i].Event.Key(); !seen[k] {
			seen[k] = true
			v.Calls = append(v.Calls, k)
		}
	}
	return c.page(ec, http.StatusOK, "rules", view{Title: "Rules", At: "rules", Body: v})
}

// keyOf reads "provider/call id", or "provider@account/call id".
func keyOf(s string) (call.Key, bool) {
	source, id, found := strings.Cut(strings.TrimSpace(s), "/")
	provider, account := call.ParseSource(source)
	return call.Key{Provider: provider, Account: account, CallID: id}, found && provider != "" && id != ""
}

// check answers what is wrong with an expression, for the editor. With a call it
// may use the macros and lists of the rules in force.
func (c *console) check(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	problems := rules.Problems{}
	if over := strings.TrimSpace(form.Get("over")); over != "" {
		found, err := c.checkWindow(ec, form.Get("expr"), over)
		if err != nil {
			return failed(err, "call")
		}
		return ec.JSON(http.StatusOK, append(problems, found...))
	}
	if k, named := keyOf(form.Get("call")); named {
		_, err := c.History.Try(ec.Request().Context(), form.Get("expr"), k)
		if err == nil || errors.As(err, &problems) {
			return ec.JSON(http.StatusOK, problems)
		}
		if errors.Is(err, backend.ErrBusy) || ec.Request().Context().Err() != nil {
			return failed(err, "call")
		}
	}
	release, err := c.History.Turn(ec.Request().Context())
	if err != nil {
		return failed(err, "call")
	}
	defer release()
	if _, found := rules.ParseFilter(form.Get("expr")); found != nil {
		problems = found
	}
	return ec.JSON(http.StatusOK, problems)
}

// checkWindow is what is wrong with the condition of a rule over windows, where the
// functions of windows are known.
func (c *console) checkWindow(ec echo.Context, expr, over string) (rules.Problems, error) {
	d := draft{When: expr, Over: over, MinCalls: "1", By: "provider"}
	src := d.yaml()
	_, found, err := c.History.Check(ec.Request().Context(), []rules.Source{{Name: "draft.yaml", Text: []byte(src)}})
	if err != nil {
		return nil, err
	}
	const before = "    when: '"
	at := 1 + strings.Count(src[:strings.Index(src, before)], "\n")
	var problems rules.Problems
	for _, p := range found {
		if !p.IsError() {
			continue // of the rule that was made around the condition
		}
		p.Line, p.Column = 1, max(1, p.Column-len(before))
		if strings.Contains(strings.TrimSpace(expr), "\n") || found[0].Line != at {
			p.Column = 1 // the draft has it in one line
		}
		problems = append(problems, p)
	}
	return problems, nil
}

type tryView struct {
	rules.Explanation
	Call call.Key
	Expr string
}

// try judges a call by an expression.
func (c *console) try(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	k, named := keyOf(form.Get("call"))
	expr := strings.TrimSpace(form.Get("expr"))
	switch {
	case expr == "":
		return &failure{status: http.StatusUnprocessableEntity, title: "No expression yet", detail: "Write a condition, such as mos < 3.5."}
	case !named:
		return &failure{status: http.StatusUnprocessableEntity, title: "No call chosen", detail: "Choose one of the latest calls, or write provider/call id."}
	}
	x, err := c.History.Try(ec.Request().Context(), expr, k)
	if err != nil {
		return failed(err, "call")
	}
	return c.render(ec, http.StatusOK, "rules", "try-result", tryView{x, k, expr})
}

// word is something that expressions can name.
type word struct {
	Label  string `json:"label"`
	Type   string `json:"type"`
	Detail string `json:"detail,omitempty"`
	Info   string `json:"info,omitempty"`

	Values []string `json:"values,omitempty"` // that a text can have, or has had
}

// maxValues bounds the values of one field that the editor completes.
const maxValues = 50

// knownValues are the values of texts that the latest events had, beside those that
// a field can have.
func (c *console) knownValues(ec echo.Context) map[string][]string {
	values := map[string][]string{}
	add := func(name, v string) {
		if v != "" && len(v) <= 100 && len(values[name]) < maxValues && !slices.Contains(values[name], v) {
			values[name] = append(values[name], v)
		}
	}
	for _, f := range call.Fields() {
		for _, v := range f.Enum {
			add(f.Name, v)
		}
	}
	for _, p := range c.History.Status(ec.Request().Context()).Providers {
		add("provider", p.Name)
	}
	page, err := c.History.Events(ec.Request().Context(), backend.EventQuery{Limit: 200})
	if err != nil {
		return values // completion is only a help
	}
	for i := range page.Events {
		for _, name := range []string{"provider", "region", "codec", "agentName", "agentId", "hangupCause", "hangupClass", "toCountry", "fromCountry", "connectionId", "campaignId"} {
			if f, ok := call.Lookup(name); ok {
				if v, ok := f.Text(&page.Events[i].Event); ok {
					add(name, v)
				}
			}
		}
	}
	return values
}

// words are what the editor completes.
func (c *console) words(ec echo.Context) error {
	all, values := []word{}, c.knownValues(ec)
	for _, f := range call.Fields() {
		detail := string(f.Type)
		if f.Unit != "" {
			detail += ", " + f.Unit
		}
		all = append(all, word{f.Name, "variable", detail, f.Doc, values[f.Name]})
	}
	for _, name := range []string{"contains", "startsWith", "endsWith", "matches", "in", "not", "and", "or", "nil", "true", "false"} {
		all = append(all, word{Label: name, Type: "keyword"})
	}
	for _, name := range []pair{{"hour", "of the day, 0 to 23, by the rule's tz"}, {"weekday", "mon, tue, ... sun, by the rule's tz"}} {
		all = append(all, word{Label: name.Name, Type: "variable", Info: name.Value})
	}
	for _, f := range functions() {
		all = append(all, word{Label: f.Name, Type: "function", Info: f.Value})
	}
	return ec.JSON(http.StatusOK, all)
}

// functions are those of the rule language, each with what it gives.
func functions() []pair {
	return []pair{
		{"len", "length of a text or list"},
		{"abs", "without its sign"},
		{"round", "to a whole number"},
		{"floor", "the whole number below"},
		{"ceil", "the whole number above"},
		{"int", "the whole part; of a text, the number it reads as"},
		{"float", "the number that a text reads as"},
		{"string", "as a text"},
		{"min", "the smallest of several, or of a list; of one value, over a window"},
		{"max", "the largest of several, or of a list; of one value, over a window"},
		{"ratio", "x / y, where y is at least the third argument"},
		{"lower", "in lower case"},
		{"upper", "in upper case"},
		{"trim", "without spaces around it"},
		{"hasPrefix", "whether a text begins with another"},
		{"hasSuffix", "whether a text ends with another"},
		{"split", "the parts of a text between a separator"},
		{"replace", "with each occurrence of a text replaced"},
		{"any", "one element meets the condition"},
		{"all", "every element does"},
		{"none", "no element does"},
		{"one", "exactly one does"},
		{"count", "how many elements, or calls of a window, do"},
		{"filter", "the elements that do"},
		{"longest", "how many elements in a row do"},
		{"find", "the first element that does"},
		{"map", "the list of what is taken of each element"},
		{"mean", "mean over the elements of a list"},
		{"median", "median over the elements of a list"},
		{"first", "the first element of a list"},
		{"last", "the last element of a list"},
		{"date", "a point in time"},
		{"rate", "share of a window's calls that meet the condition"},
		{"calls", "number of a window's calls"},
		{"avg", "mean over a window"},
		{"sum", "sum over the elements of a list; of one value, over a window"},
		{"p50", "median over a window"},
		{"p90", "90th percentile over a window"},
		{"p95", "95th percentile over a window"},
		{"p99", "99th percentile over a window"},
		{"p", "any percentile over a window: p(rttMs, 99.5)"},
		{"distinct", "number of different values in a window"},
		{"prev", "the same over the window before"},
	}
}
