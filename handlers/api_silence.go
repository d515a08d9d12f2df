package handlers

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

func (a *app) listSilences(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string][]rules.Silence{"silences": a.API.Silences()})
}

// silenceRequest asks for a silence: of the incidents that match, or of one
// incident with those that open for its rule and key later.
type silenceRequest struct {
	ID       string    `json:"id"` // of the caller's choice, so that a repeated request is the same; optional
	Match    string    `json:"match"`
	Incident string    `json:"incident"`
	For      string    `json:"for"` // 90m, 4h, 1d
	Until    time.Time `json:"until"`
	By       string    `json:"by"`
	Comment  string    `json:"comment"`
}

func (a *app) addSilence(c echo.Context) error {
	var request silenceRequest
	if err := readRequest(c, &request); err != nil {
		return err
	}
	s, err := a.silenceOf(&request)
	if err != nil {
		return err
	}
	status, err := a.mark(c, rules.Action{Do: rules.AddSilence, By: request.By, Silence: &s}, http.StatusCreated)
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		made := a.API.Silences()
		i := slices.IndexFunc(made, func(o rules.Silence) bool { return o.ID == s.ID })
		if i < 0 {
			return &problem{status: http.StatusConflict, title: "Not silenced", detail: "A silence of this id was ended before, or there are too many silences."}
		}
		s = made[i]
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/silences/"+s.ID)
	return c.JSON(status, s)
}

// silenceOf is the silence that a request asks for.
func (a *app) silenceOf(r *silenceRequest) (rules.Silence, error) {
	s := rules.Silence{ID: r.ID, Match: r.Match, Until: r.Until.UTC(), By: r.By, Comment: r.Comment}
	if s.ID == "" {
		s.ID = "sil_" + strings.ToLower(rand.Text()[:16])
	}
	switch {
	case (r.Match == "") == (r.Incident == ""):
		return s, unprocessable(errors.New("give either match or incident"))
	case (r.For == "") == r.Until.IsZero():
		return s, unprocessable(errors.New("give either for or until"))
	}
	if r.For != "" {
		d, err := rules.ParseDuration(r.For)
		if err != nil {
			return s, unprocessable(errors.New("for is not a duration such as 30m, 4h or 1d"))
		}
		s.Until = a.Now().Add(d).UTC().Truncate(time.Second)
	}
	if !s.Until.After(a.Now()) {
		return s, unprocessable(errors.New("the silence would be over already"))
	}
	if r.Incident != "" {
		open := a.API.Open()
		i := slices.IndexFunc(open, func(in rules.Incident) bool { return in.ID == r.Incident })
		if i < 0 {
			return s, noIncident()
		}
		s.Match = rules.MatchFor(&open[i])
	}
	return s, nil
}

// expireSilence ends a silence early. Who does it is named by the query's by.
func (a *app) expireSilence(c echo.Context) error {
	made := a.API.Silences()
	i := slices.IndexFunc(made, func(s rules.Silence) bool { return s.ID == c.Param("id") })
	if i < 0 {
		return &problem{status: http.StatusNotFound, title: "No such silence", detail: "No silence in force has this id."}
	}
	if made[i].InFile() {
		return &problem{status: http.StatusConflict, title: "In the rules file", detail: "This silence stands in the rules file: remove it there."}
	}
	action := rules.Action{Do: rules.ExpireSilence, By: c.QueryParam("by"), Silence: &rules.Silence{ID: made[i].ID}}
	status, err := a.mark(c, action, http.StatusNoContent)
	if err != nil {
		return err
	}
	return c.NoContent(status)
}
