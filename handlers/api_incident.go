package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

// maxListed bounds a list of incidents.
const maxListed = 1000

func (a *app) listIncidents(c echo.Context) error {
	state := c.QueryParam("state")
	var found []rules.Incident
	switch state {
	case "open":
		found = a.API.Open()
	case "", "resolved":
		latest, err := a.API.Latest(c.Request().Context())
		if err != nil {
			return fmt.Errorf("list incidents: %w", err)
		}
		found = slices.DeleteFunc(latest, func(in rules.Incident) bool { return state != "" && in.State != rules.Resolved })
	default:
		return &problem{status: http.StatusBadRequest, title: "Bad request", detail: "state is open or resolved."}
	}
	slices.SortFunc(found, func(a, b rules.Incident) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
	found = found[:min(len(found), maxListed)]
	if found == nil {
		found = []rules.Incident{}
	}
	return c.JSON(http.StatusOK, map[string][]rules.Incident{"incidents": found})
}

func (a *app) showIncident(c echo.Context) error {
	in, err := a.incident(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, in)
}

// incident is the one the path names, open or the last of its rule and key.
func (a *app) incident(c echo.Context) (rules.Incident, error) {
	named := func(in rules.Incident) bool { return in.ID == c.Param("id") }
	open := a.API.Open()
	if i := slices.IndexFunc(open, named); i >= 0 {
		return open[i], nil
	}
	latest, err := a.API.Latest(c.Request().Context())
	if err != nil {
		return rules.Incident{}, fmt.Errorf("find incident: %w", err)
	}
	if i := slices.IndexFunc(latest, named); i >= 0 {
		return latest[i], nil
	}
	return rules.Incident{}, noIncident()
}

func noIncident() error {
	return &problem{status: http.StatusNotFound, title: "No such incident", detail: "No open incident has this id, and none is the last of its rule and key."}
}

// acknowledge takes an incident or gives it back. Once is as good as twice.
func (a *app) acknowledge(do rules.Doing) echo.HandlerFunc {
	return func(c echo.Context) error {
		var request struct {
			By string `json:"by"`
		}
		if err := readRequest(c, &request); err != nil {
			return err
		}
		in, err := a.incident(c)
		if err != nil {
			return err
		}
		if in.State == rules.Resolved {
			return &problem{status: http.StatusConflict, title: "Resolved", detail: "The incident is resolved already."}
		}
		status, err := a.mark(c, rules.Action{Do: do, By: request.By, Incident: in.ID}, http.StatusOK)
		if err != nil {
			return err
		}
		if in, err = a.incident(c); err != nil {
			return err
		}
		return c.JSON(status, in)
	}
}
