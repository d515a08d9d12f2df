package console

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

type silencesView struct {
	List  []mutedSilence
	Match string // of the form, prefilled
}

// mutedSilence is a silence with the open incidents that it keeps quiet.
type mutedSilence struct {
	rules.Silence
	Mutes []rules.Incident
}

func (c *console) silences(ec echo.Context) error {
	v := silencesView{Match: ec.QueryParam("match")}
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
	return c.page(ec, http.StatusOK, "silences", view{Title: "Silences", At: "silences", Body: v})
}

func (c *console) addSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	s, err := c.newSilence(strings.TrimSpace(form.Get("match")), form.Get("for"), form.Get("comment"))
	if err != nil {
		return err
	}
	s.By = who(ec)
	note, err := c.mark(ec, rules.Action{Do: rules.AddSilence, By: who(ec), Silence: &s}, "silenced", s.ID)
	if err != nil {
		return err
	}
	return back(ec, "/silences", note)
}

// newSilence is a silence that begins now.
func (c *console) newSilence(match, length, comment string) (rules.Silence, error) {
	d, err := rules.ParseDuration(cmp.Or(length, "1h"))
	if err != nil || d <= 0 {
		return rules.Silence{}, &failure{status: http.StatusUnprocessableEntity, title: "Not a length of time", detail: "Write it like 30m, 4h or 1d."}
	}
	return rules.Silence{
		ID: "sil_" + strings.ToLower(rand.Text()[:16]), Match: match, Comment: strings.TrimSpace(comment),
		Until: c.Now().Add(d).UTC().Truncate(time.Second),
	}, nil
}

func (c *console) expireSilence(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	made := c.Silences()
	i := slices.IndexFunc(made, func(s rules.Silence) bool { return s.ID == form.Get("id") })
	switch {
	case i < 0:
		return &failure{status: http.StatusNotFound, title: "The silence is over", detail: "It has ended meanwhile: there is nothing left to do."}
	case made[i].InFile():
		return &failure{status: http.StatusConflict, title: "It stands in the rules file", detail: "Remove it from the silences of the rules file: it ends with the next reload."}
	}
	note, err := c.mark(ec, rules.Action{Do: rules.ExpireSilence, By: who(ec), Silence: &rules.Silence{ID: made[i].ID}}, "expired", made[i].ID)
	if err != nil {
		return err
	}
	return back(ec, "/silences", note)
}
