package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/format"
	"callwatch/rules"
)

//go:embed templates
var templates embed.FS

// csp lets a page load the console's own files and nothing else. Nothing is
// inline: no script, no style.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const maxForm = 1 << 20 // bytes: a rules file may be in it

// view is what every page shows around its own body.
type view struct {
	Title string
	At    string // the part of the navigation the page belongs to
	Bare  bool   // without navigation: nobody is logged in
	Wide  bool   // the page uses the whole width of the window
	Note  string // what was done just now
	Body  any

	Name   string // who is logged in, "" where no log-in is needed
	LogOut bool   // a session is open, and can be ended
	Slack  bool
	Open   int    // incidents of rules that alert, without adopted ones
	Base   string // path prefix of all links
	Alarm  string // what keeps the rules file from being used

	Troubled []backend.Receiver // that take no alerts
}

// localLink is an attribute of a template that holds a path of the console.
var localLink = regexp.MustCompile(`\b(href|src|action|hx-get|hx-post|sse-connect|data-scan)="/`)

// actingForm is a form of a template that changes something or makes work. All such
// routes are for operators.
var actingForm = regexp.MustCompile(`(?s)<form [^>]*method="post" action="/[^l].*?</form>`)

// parse makes one template a page, each with the layout and the shared parts, as those
// see it who have the role. Paths in templates begin with the base.
func parse(base string, role access.Role) map[string]*template.Template {
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		panic(err) // of the pattern
	}
	add := func(t *template.Template, file string) {
		src, err := templates.ReadFile(file)
		if err != nil {
			panic(err) // the files are in the program
		}
		text := actingForm.ReplaceAllString(string(src), `{{if may "operator"}}$0{{end}}`)
		template.Must(t.Parse(localLink.ReplaceAllString(text, `$1="`+template.HTMLEscapeString(base)+`/`)))
	}
	shared := template.New("").Funcs(format.Funcs(base)).Funcs(template.FuncMap{"may": role.May})
	const layout, parts = "templates/layout.html", "templates/parts.html"
	add(shared, layout)
	add(shared, parts)
	pages := map[string]*template.Template{}
	for _, file := range files {
		if file != layout && file != parts {
			page := template.Must(shared.Clone())
			add(page, file)
			pages[strings.TrimSuffix(path.Base(file), ".html")] = page
		}
	}
	return pages
}

func (c *console) page(ec echo.Context, status int, name string, v view) error {
	v.Base = c.Base
	if !v.Bare {
		v.Name, v.LogOut = access.UserOf(ec).Name, c.Gate.InSession(ec.Request())
		if c.History.Receivers != nil {
			v.Troubled = slices.DeleteFunc(c.History.Receivers(ec.Request().Context()), func(r backend.Receiver) bool { return !r.Degraded })
		}
		v.Slack, v.Open, v.Alarm = c.Slack, alerting(c.Open()), c.Rules().Trouble()
		if v.Note == "" {
			v.Note = notes(ec.QueryParam("note"))
		}
	}
	return c.render(ec, status, name, "layout", v)
}

// render answers with one template of a page, whole or not at all.
func (c *console) render(ec echo.Context, status int, page, part string, data any) error {
	html, err := c.html(access.UserOf(ec).Role, page, part, data)
	if err != nil {
		return err
	}
	ec.Response().Header().Set("Content-Security-Policy", csp)
	return ec.HTML(status, html)
}

// html is one template of a page, as those see it who have the role.
func (c *console) html(role access.Role, page, part string, data any) (string, error) {
	var out strings.Builder
	if err := c.pages[role][page].ExecuteTemplate(&out, part, data); err != nil {
		return "", fmt.Errorf("render %s: %w", page, err)
	}
	return turning.Replace(out.String()), nil
}

// turning shows the signs that set the direction of all text that follows as escapes, which
// mean the same in JSON and in strings of rules.
var turning = strings.NewReplacer(
	"\u202a", `\u202a`, "\u202b", `\u202b`, "\u202c", `\u202c`, "\u202d", `\u202d`, "\u202e", `\u202e`,
	"\u2066", `\u2066`, "\u2067", `\u2067`, "\u2068", `\u2068`, "\u2069", `\u2069`,
)

// notes are the sentences that a redirect may ask the next page to show.
func notes(key string) string {
	return map[string]string{
		"acknowledged": "Acknowledged. No reminders are sent while it is.",
		"returned":     "Unacknowledged: reminders continue.",
		"resolved":     "Resolved.",
		"assigned":     "Assigned.",
		"noted":        "The note is added.",
		"silenced":     "Silenced. Changes are recorded, and announced only after the silence ends.",
		"expired":      "Silence ended.",
		"changed":      "Silence changed.",
		"stored":       "Stored. It takes effect once the events before it are judged.",
	}[key]
}

// alerting counts the incidents that people are told of by themselves: not those of
// rules in shadow, nor those that another adopted.
func alerting(open []rules.Incident) (n int) {
	for i := range open {
		if open[i].Mode != rules.Shadow && open[i].Parent == "" {
			n++
		}
	}
	return n
}

// failure is an error that a visitor can do something about.
type failure struct {
	status   int
	title    string
	detail   string // what to do next
	problems rules.Problems
}

func (f *failure) Error() string { return f.title }

func notFound(what string) error {
	return &failure{status: http.StatusNotFound, title: "No such " + what, detail: "It does not exist, or it is older than the retention time."}
}

// failed turns errors of the backend into what a visitor is told.
func failed(err error, what string) error {
	var problems rules.Problems
	switch {
	case err == nil:
		return nil
	case errors.Is(err, backend.ErrNotFound):
		return notFound(what)
	case errors.Is(err, backend.ErrIndexing):
		return &failure{status: http.StatusServiceUnavailable, title: "Still loading", detail: "callwatch has just started and is reading its store. Reload this page in a few seconds."}
	case errors.Is(err, backend.ErrBusy):
		return &failure{status: http.StatusTooManyRequests, title: "Busy", detail: "Too many requests of this kind are running. Try again in a few seconds."}
	case errors.As(err, &problems):
		return &failure{status: http.StatusUnprocessableEntity, title: "The expression cannot be used", detail: "Fix the highlighted errors and try again.", problems: problems}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{status: http.StatusServiceUnavailable, title: "It took too long", detail: "Choose a shorter time and try again."}
	}
	return err
}

// retryAfter is how many seconds a client is asked to wait before it tries again.
const retryAfter = "5"

// problemView is what the page and the part named problem show.
type problemView struct {
	Title, Detail string
	Problems      rules.Problems
}

// answer turns failures into pages, or into a part of one where htmx asks.
func (c *console) answer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		err := next(ec)
		var f *failure
		if err == nil || ec.Response().Committed {
			return nil
		}
		if !errors.As(err, &f) {
			c.Log.Error("page failed", "route", ec.Path(), "err", err, "request", ec.Response().Header().Get(echo.HeaderXRequestID))
			f = &failure{status: http.StatusInternalServerError, title: "That did not work", detail: "The log has the cause under request " + ec.Response().Header().Get(echo.HeaderXRequestID) + ". Try again."}
		}
		if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
			ec.Response().Header().Set("Retry-After", retryAfter)
		}
		body := problemView{f.title, f.detail, f.problems}
		if ec.Request().Header.Get("HX-Request") != "" {
			return c.render(ec, f.status, "problem", "failure", body)
		}
		return c.page(ec, f.status, "problem", view{Title: f.title, Bare: access.UserOf(ec).Role == access.Nobody, Body: body})
	}
}

// readForm reads a posted form of bounded size.
func readForm(ec echo.Context) (url.Values, error) {
	r := ec.Request()
	r.Body = http.MaxBytesReader(ec.Response(), r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, &failure{status: http.StatusBadRequest, title: "The form cannot be read", detail: "It may be too large. Go back and shorten it."}
	}
	return r.PostForm, nil
}

// back redirects to a page of the console with a note.
func (c *console) back(ec echo.Context, path, note string) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return ec.Redirect(http.StatusSeeOther, c.Base+path+sep+"note="+note)
}
