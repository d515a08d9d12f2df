package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/chart"
	"callwatch/handlers/console/figures"
	"callwatch/handlers/console/format"
	"callwatch/rules"
)

// maxListed bounds a list of incidents.
const maxListed = 200

type incidentsView struct {
	Tabs  []tab
	State string
	List  []listedIncident
	More  int // that are not listed
}

// listedIncident is an incident with those that it adopted and that are open still.
type listedIncident struct {
	rules.Incident
	Nested []rules.Incident
}

// tab is one part of the list with the number of incidents in it.
type tab struct {
	State string
	Count int
}

func (c *console) incidents(ec echo.Context) error {
	all, err := c.Latest(ec.Request().Context())
	if err != nil {
		return fmt.Errorf("list incidents: %w", err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(in rules.Incident) bool { return in.State != rules.Resolved })
	all = append(all, c.Open()...)
	slices.SortFunc(all, func(a, b rules.Incident) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
	v := incidentsView{State: cmp.Or(ec.QueryParam("state"), "open")}
	listed := nest(all)
	for _, state := range []string{"open", "acknowledged", "silenced", "shadow", "resolved"} {
		t := tab{State: state}
		for i := range listed {
			if format.State(listed[i].Incident) == state {
				t.Count++
			}
		}
		v.Tabs = append(v.Tabs, t)
	}
	v.List = slices.DeleteFunc(listed, func(in listedIncident) bool { return format.State(in.Incident) != v.State })
	v.More = max(0, len(v.List)-maxListed)
	v.List = v.List[:len(v.List)-v.More]
	return c.page(ec, http.StatusOK, "incidents", view{Title: "Incidents", At: "incidents", Body: v})
}

// nest puts open incidents below the open one that adopted them.
func nest(all []rules.Incident) []listedIncident {
	open := map[string]bool{}
	for i := range all {
		open[all[i].ID] = all[i].State != rules.Resolved
	}
	adopted := func(in *rules.Incident) bool { return in.State != rules.Resolved && open[in.Parent] }
	nested := map[string][]rules.Incident{}
	for i := range all {
		if adopted(&all[i]) {
			nested[all[i].Parent] = append(nested[all[i].Parent], all[i])
		}
	}
	var listed []listedIncident
	for i := range all {
		if !adopted(&all[i]) {
			listed = append(listed, listedIncident{all[i], nested[all[i].ID]})
		}
	}
	return listed
}

type incidentView struct {
	backend.IncidentHistory
	Plot        *chart.Plot // the rule's figure over time
	PlotTitle   string
	PlotRows    []pair // the same as a table
	Calls       string // address of all its calls
	Contrast    *figures.Contrast
	Match       string             // condition of a silence for it
	HasReceiver bool               // alerts go somewhere
	Timeline    []rules.Transition // without plain updates but for the last
	Updates     int                // left out
	Samples     []rules.Evidence
}

func (c *console) incident(ec echo.Context) error {
	found, err := c.History.Incident(ec.Request().Context(), ec.Param("id"))
	if err != nil {
		return failed(err, "incident")
	}
	v := incidentView{IncidentHistory: found, Samples: found.Incident.Samples}
	if len(v.Samples) == 0 {
		v.Samples = []rules.Evidence{found.Incident.Worst}
	}
	for i, t := range found.Transitions {
		if t.Step == rules.StepUpdated && i < len(found.Transitions)-1 {
			v.Updates++
			continue
		}
		v.Timeline = append(v.Timeline, t)
	}
	slices.Reverse(v.Timeline)
	in := &v.Incident
	v.Match = rules.MatchFor(in)
	if c.History.Receivers != nil {
		v.HasReceiver = len(c.History.Receivers(ec.Request().Context())) > 0
	}
	v.plot(c.ruleSet())
	if m := c.model(); m != nil {
		v.Calls = "/calls?incident=" + url.QueryEscape(in.ID)
		v.contrast(ec.Request().Context(), m)
	}
	return c.page(ec, http.StatusOK, "incident", view{Title: found.Incident.Rule, At: "incidents", Body: v})
}

// markIncident does what a button of an incident says.
func (c *console) markIncident(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	open, id := c.Open(), ec.Param("id")
	i := slices.IndexFunc(open, func(in rules.Incident) bool { return in.ID == id })
	if i < 0 {
		return &failure{status: http.StatusConflict, title: "The incident is not open", detail: "It has already resolved. Nothing was changed."}
	}
	action, note := rules.Action{By: who(ec), Incident: id}, ""
	switch do := form.Get("do"); do {
	case "acknowledge":
		action.Do, note = rules.Acknowledge, "acknowledged"
	case "unacknowledge":
		action.Do, note = rules.Unacknowledge, "returned"
	case "resolve":
		action.Do, note = rules.Resolve, "resolved"
	case "assign":
		action.Do, action.To, note = rules.Assign, strings.TrimSpace(form.Get("to")), "assigned"
	case "note":
		action.Do, action.Text, note = rules.AddNote, strings.TrimSpace(form.Get("text")), "noted"
	case "silence":
		s, err := c.newSilence(rules.MatchFor(&open[i]), form.Get("for"), form.Get("comment"))
		if err != nil {
			return err
		}
		s.By = who(ec)
		action, note = rules.Action{Do: rules.AddSilence, By: who(ec), Silence: &s}, "silenced"
	default:
		return &failure{status: http.StatusBadRequest, title: "Unknown action", detail: "Reload the page and use its buttons."}
	}
	if note, err = c.act(ec, action, note, id); err != nil {
		return err
	}
	return c.back(ec, localPath(form.Get("back")), note)
}

// act stores what a person does and returns what the next page says of it.
func (c *console) act(ec echo.Context, action rules.Action, done, id string) (note string, err error) {
	if err := action.Check(); err != nil {
		var problems rules.Problems
		if errors.As(err, &problems) {
			return "", failed(problems, "")
		}
		return "", &failure{status: http.StatusUnprocessableEntity, title: "That cannot be done", detail: err.Error()}
	}
	seen, err := c.Act(ec.Request().Context(), action)
	if problems := (rules.Problems{}); errors.As(err, &problems) {
		return "", failed(problems, "")
	}
	if err != nil {
		c.Log.Error("request not stored", "route", ec.Path(), "err", err)
		return "", &failure{status: http.StatusServiceUnavailable, title: "Not stored", detail: "It could not be made durable. Nothing has changed; try again."}
	}
	c.audit(ec, string(action.Do), id)
	if !seen {
		return "stored", nil
	}
	return done, nil
}
