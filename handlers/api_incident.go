package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

// maxListed bounds a list of incidents, in one answer.
const maxListed = 1000

// listing is a part of a list of incidents, newest first.
type listing struct {
	Incidents []rules.Incident `json:"incidents"`
	Next      string           `json:"next,omitempty"` // the "after" of the next part; "" for the last
}

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
	part, ok := partOf(found, c.QueryParam("after"))
	if !ok {
		return &problem{status: http.StatusBadRequest, title: "Bad request", detail: "after is what an earlier answer had as next."}
	}
	return c.JSON(http.StatusOK, part)
}

// partOf is the part of a list that comes behind a place. A place is a time and
// an id, so that it holds when incidents come and go between two parts.
func partOf(found []rules.Incident, after string) (part listing, ok bool) {
	if after != "" {
		opened, id, named := strings.Cut(after, ",")
		at, err := time.Parse(time.RFC3339Nano, opened)
		if err != nil || !named {
			return listing{}, false
		}
		last := rules.Incident{ID: id, OpenedAt: at}
		found = slices.DeleteFunc(found, func(in rules.Incident) bool { return newestFirst(in, last) <= 0 })
	}
	slices.SortFunc(found, newestFirst)
	part.Incidents = append([]rules.Incident{}, found[:min(len(found), maxListed)]...)
	if len(found) > maxListed {
		last := part.Incidents[maxListed-1]
		part.Next = last.OpenedAt.UTC().Format(time.RFC3339Nano) + "," + last.ID
	}
	return part, true
}

func newestFirst(a, b rules.Incident) int {
	return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
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
