package console

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/editor"
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

// words are what the editor completes.
func (c *console) words(ec echo.Context) error {
	ctx := ec.Request().Context()
	var providers []string
	for _, p := range c.History.Status(ctx).Providers {
		providers = append(providers, p.Name)
	}
	var seen []backend.StoredEvent // none is no error: values are only a help
	if page, err := c.History.Events(ctx, backend.EventQuery{Limit: 200}); err == nil {
		seen = page.Events
	}
	return ec.JSON(http.StatusOK, editor.Words(providers, seen))
}
