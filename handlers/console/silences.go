package console

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/console/period"
	"callwatch/rules"
)

type silencesView struct {
	List []mutedSilence
	Form silenceForm
}

// mutedSilence is a silence with the open incidents that it keeps quiet.
type mutedSilence struct {
	rules.Silence
	Mutes []rules.Incident
}

// silenceForm is a silence as somebody types it, with what is wrong with it.
type silenceForm struct {
	ID                         string // of the silence that is edited; "": a new one
	Match, For, Until, Comment string
	MatchProblems              rules.Problems
	TimeError, CommentError    string
	Preview                    *silencePreview
}

// silencePreview is what a silence would keep quiet now.
type silencePreview struct {
	Match    string
	Until    time.Time
	Mutes    []rules.Incident
	Of       int // open incidents
	Problems rules.Problems
	Error    string // of the time
}

func (f *silenceForm) wrong() bool {
	return f.MatchProblems.Errors() || f.TimeError != "" || f.CommentError != ""
}

const (
	maxSilence        = 366 * 24 * time.Hour
	maxSilenceComment = 500 // bytes
)

func silenceFormOf(values map[string][]string) silenceForm {
	text := func(name string) string {
		if v := values[name]; len(v) > 0 {
			return strings.TrimSpace(v[0])
		}
		return ""
	}
	return silenceForm{ID: text("id"), Match: text("match"), For: text("for"), Until: text("until"), Comment: text("comment")}
}

// end is when the silence ends: at the time that was typed, else after the length.
func (f *silenceForm) end(now time.Time) (time.Time, bool) {
	if f.Until != "" {
		if t, ok := period.Parse(f.Until, now); ok && t.After(now) && t.Sub(now) <= maxSilence {
			return t, true
		}
		f.TimeError = "Write a time to come, in UTC, like 2026-03-01T07:00."
		return time.Time{}, false
	}
	d, err := rules.ParseDuration(cmp.Or(f.For, "1h"))
	if err != nil || d <= 0 || d > maxSilence {
		f.TimeError = "Write a length of time like 30m, 4h or 1d."
		return time.Time{}, false
	}
	return now.Add(d).UTC().Truncate(time.Second), true
}

// silence checks the form and is what it asks for.
func (f *silenceForm) silence(set *rules.Set, now time.Time) rules.Silence {
	s := rules.Silence{ID: f.ID, Match: f.Match, Comment: f.Comment}
	s.Until, _ = f.end(now)
	if _, f.MatchProblems = set.Muted(f.Match, nil); f.Match == "" {
		f.MatchProblems = rules.Problems{{Line: 1, Column: 1, Severity: "error", Message: "Say which incidents: rule == \"…\", provider == \"…\"."}}
	}
	if len(f.Comment) > maxSilenceComment {
		f.CommentError = "Shorten the comment to 500 characters."
	}
	return s
}

func newSilenceID() string { return "sil_" + strings.ToLower(rand.Text()[:16]) }

func (c *console) silences(ec echo.Context) error {
	f := silenceForm{Match: ec.QueryParam("match"), For: "1h"}
	if id := ec.QueryParam("edit"); id != "" {
		made, ok := c.silenceByID(id)
		if !ok || made.InFile() {
			return notFound("silence")
		}
		f = silenceForm{ID: made.ID, Match: made.Match, Until: made.Until.UTC().Format(period.Local), Comment: made.Comment}
	}
	return c.silencesPage(ec, http.StatusOK, f)
}

func (c *console) silencesPage(ec echo.Context, status int, f silenceForm) error {
	v := silencesView{Form: f}
	open := c.Open()
	for _, s := range c.Silences() {
		m := mutedSilence{Silence: s}
		for _, in := range open {
			if in.Silence != nil && in.Silence.ID == s.ID {
				m.Mutes = append(m.Mutes, in)
			}
		}
		v.List = append(v.List, m)
	}
	return c.page(ec, status, "silences", view{Title: "Silences", At: "silences", Body: v})
}

func (c *console) silenceByID(id string) (rules.Silence, bool) {
	made := c.Silences()
	i := slices.IndexFunc(made, func(s rules.Silence) bool { return s.ID == id })
	if i < 0 {
		return rules.Silence{}, false
	}
	return made[i], true
}

// addSilence adds a silence or changes one. What is wrong is said beside the field,
// and what was typed stays.
func (c *console) addSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	f := silenceFormOf(form)
	s := f.silence(c.ruleSet(), c.Now())
	if f.wrong() {
		return c.silencesPage(ec, http.StatusUnprocessableEntity, f)
	}
	note := "silenced"
	if f.ID != "" {
		made, ok := c.silenceByID(f.ID)
		if !ok || made.InFile() {
			return &failure{status: http.StatusConflict, title: "The silence is over", detail: "It has already ended. Add a new one."}
		}
		note = "changed"
	}
	if note, err = c.replaceSilence(ec, s, note); err != nil {
		return err
	}
	return c.back(ec, "/silences", note)
}

// replaceSilence adds a silence; where it has an id, that one ends once the new one is
// in force, so that nothing is announced between the two.
func (c *console) replaceSilence(ec echo.Context, s rules.Silence, note string) (string, error) {
	old := s.ID
	s.ID, s.By = newSilenceID(), who(ec)
	note, err := c.act(ec, rules.Action{Do: rules.AddSilence, By: who(ec), Silence: &s}, note, s.ID)
	if err != nil || old == "" {
		return note, err
	}
	_, err = c.act(ec, rules.Action{Do: rules.ExpireSilence, By: who(ec), Silence: &rules.Silence{ID: old}}, note, old)
	return note, err
}

// extendSilence lets a silence last longer.
func (c *console) extendSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	s, ok := c.silenceByID(form.Get("id"))
	switch {
	case !ok:
		return &failure{status: http.StatusNotFound, title: "The silence is over", detail: "It has already ended. Add a new one."}
	case s.InFile():
		return inFile()
	}
	d, err := rules.ParseDuration(form.Get("for"))
	if err != nil || d <= 0 || s.Until.Add(d).Sub(c.Now()) > maxSilence {
		return &failure{status: http.StatusUnprocessableEntity, title: "Not a length of time", detail: "Write it like 30m, 4h or 1d."}
	}
	s.Until = s.Until.Add(d)
	note, err := c.replaceSilence(ec, s, "changed")
	if err != nil {
		return err
	}
	return c.back(ec, "/silences", note)
}

// previewSilence says which open incidents the form would keep quiet.
func (c *console) previewSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	f := silenceFormOf(form)
	s := f.silence(c.ruleSet(), c.Now())
	open := c.Open()
	p := silencePreview{Match: f.Match, Until: s.Until, Of: len(open), Problems: f.MatchProblems, Error: f.TimeError}
	if !p.Problems.Errors() {
		p.Mutes, _ = c.ruleSet().Muted(f.Match, open)
	}
	if ec.Request().Header.Get("HX-Request") != "" {
		return c.render(ec, http.StatusOK, "silences", "silence-preview", p)
	}
	f.Preview = &p
	return c.silencesPage(ec, http.StatusOK, f)
}

// newSilence is a silence of the incident's own buttons, which begins now.
func (c *console) newSilence(match, length, comment string) (rules.Silence, error) {
	f := silenceForm{Match: match, For: length, Comment: strings.TrimSpace(comment)}
	s := f.silence(c.ruleSet(), c.Now())
	if f.TimeError != "" {
		return rules.Silence{}, &failure{status: http.StatusUnprocessableEntity, title: "Not a length of time", detail: f.TimeError}
	}
	s.ID = newSilenceID()
	return s, nil
}

func inFile() error {
	return &failure{status: http.StatusConflict, title: "It is part of the rules file", detail: "Change the silences of the rules file: they follow the next reload."}
}

func (c *console) expireSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	s, ok := c.silenceByID(form.Get("id"))
	switch {
	case !ok:
		return &failure{status: http.StatusNotFound, title: "The silence is over", detail: "It has already ended. Nothing was changed."}
	case s.InFile():
		return inFile()
	}
	note, err := c.act(ec, rules.Action{Do: rules.ExpireSilence, By: who(ec), Silence: &rules.Silence{ID: s.ID}}, "expired", s.ID)
	if err != nil {
		return err
	}
	return c.back(ec, "/silences", note)
}
