package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

type incidentsInput struct {
	State  string `query:"state" doc:"open, acknowledged or silenced, which are open too, or resolved; all when absent"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"incidents on the page"`
	Cursor string `query:"after" maxLength:"300" doc:"next of the page before"`
}

type incidentsOutput struct {
	Body struct {
		Incidents []rules.Incident `json:"incidents" nullable:"false"`
		Next      string           `json:"next,omitempty" doc:"cursor of the next page"`
	}
}

// IncidentChoice names an incident.
type IncidentChoice struct {
	ID string `path:"id" maxLength:"200"`
}

// IncidentDetail is an incident with how it came to where it is.
type IncidentDetail struct {
	rules.Incident
	Transitions []rules.Transition `json:"transitions,omitempty" doc:"oldest first"`
	Thread      string             `json:"thread,omitempty" doc:"address of its Slack thread, when known"`

	Undelivered []backend.Undelivered `json:"undelivered,omitempty" doc:"receivers in trouble that do not show it as it is"`
}

type incidentDetailOutput struct{ Body IncidentDetail }

// Person names who does something.
type Person struct {
	By string `json:"by,omitempty" doc:"who does it; the user of a token that has a name, whatever is given here"`
}

// AssignRequest says whose an incident is.
type AssignRequest struct {
	Person
	To string `json:"to,omitempty" doc:"whose the incident is; absent: nobody's"`
}

// NoteRequest is something to be kept with an incident.
type NoteRequest struct {
	Person
	Text string `json:"text" doc:"one line of at most 500 bytes"`
}

type markInput struct {
	Caller
	IncidentChoice
	RawBody []byte `contentType:"application/json"`
}

type incidentOutput struct {
	Status int
	Body   rules.Incident
}

func (s *service) routeIncidents() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "listIncidents", Method: http.MethodGet, Path: "/incidents",
		Summary: "List incidents, newest first; of resolved ones the last of every rule and key",
	}, s.listIncidents)
	s.routeIncidentStream()
	add(s, access.Viewer, huma.Operation{
		OperationID: "showIncident", Method: http.MethodGet, Path: "/incidents/{id}", Summary: "Show an incident with its transitions",
	}, s.showIncident)
	for _, do := range []struct {
		id, path, summary string
		do                rules.Doing
	}{
		{"acknowledgeIncident", "ack", "Acknowledge an incident: no reminders while somebody has it", rules.Acknowledge},
		{"unacknowledgeIncident", "unack", "Give an acknowledged incident back", rules.Unacknowledge},
		{"resolveIncident", "resolve", "Resolve an incident by hand, whatever its condition. One of a window or an absence opens again once the condition has ended and holds another time, or holds at a higher severity", rules.Resolve},
	} {
		s.routeMark(do.id, do.path, do.summary, body[Person](s), func(raw []byte) (rules.Action, error) {
			var r Person
			err := decode(raw, &r)
			return rules.Action{Do: do.do, By: r.By}, err
		})
	}
	s.routeMark("assignIncident", "assign", "Say whose an incident is", body[AssignRequest](s), func(raw []byte) (rules.Action, error) {
		var r AssignRequest
		err := decode(raw, &r)
		return rules.Action{Do: rules.Assign, By: r.By, To: r.To}, err
	})
	s.routeMark("noteIncident", "note", "Add a note to an incident", body[NoteRequest](s), func(raw []byte) (rules.Action, error) {
		var r NoteRequest
		err := decode(raw, &r)
		return rules.Action{Do: rules.AddNote, By: r.By, Text: r.Text}, err
	})
}

// routeMark is what a person does to an open incident, as read from a request.
func (s *service) routeMark(id, path, summary string, request *huma.RequestBody, read func([]byte) (rules.Action, error)) {
	add(s, access.Operator, huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: "/incidents/{id}/" + path, Summary: summary, RequestBody: request, MaxBodyBytes: maxRequest,
		Responses: also[rules.Incident](s, map[string]string{"202": "Stored, and done once the backlog is judged"}),
	}, s.markIncident(read))
}

func (s *service) listIncidents(ctx context.Context, in *incidentsInput) (*incidentsOutput, error) {
	found, err := s.incidents(ctx, in.State)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, newestFirst)
	if in.Cursor != "" {
		after, ok := readCursor(in.Cursor)
		if !ok {
			return nil, badRequest("after is what an earlier answer had as next.")
		}
		found = slices.DeleteFunc(found, func(in rules.Incident) bool { return newestFirst(in, after) <= 0 })
	}
	out := &incidentsOutput{}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.Next = cursorOf(&found[in.Limit-1])
	}
	out.Body.Incidents = append([]rules.Incident{}, found...)
	return out, nil
}

func (s *service) incidents(ctx context.Context, state string) ([]rules.Incident, error) {
	switch state {
	case "open":
		return s.Open(), nil
	case "acknowledged":
		return slices.DeleteFunc(s.Open(), func(in rules.Incident) bool { return in.Acknowledged == nil }), nil
	case "silenced":
		return slices.DeleteFunc(s.Open(), func(in rules.Incident) bool { return in.Silence == nil }), nil
	case "", "resolved":
		latest, err := s.Latest(ctx)
		if err != nil {
			return nil, fmt.Errorf("list incidents: %w", err)
		}
		return slices.DeleteFunc(latest, func(in rules.Incident) bool { return state != "" && in.State != rules.Resolved }), nil
	}
	return nil, badRequest("state is open, acknowledged, silenced or resolved.")
}

func newestFirst(a, b rules.Incident) int {
	return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
}

// cursorOf names an incident's place in the list, whether or not it is still there.
func cursorOf(in *rules.Incident) string {
	return in.OpenedAt.UTC().Format(time.RFC3339Nano) + "," + in.ID
}

func readCursor(s string) (in rules.Incident, ok bool) {
	at, id, found := strings.Cut(s, ",")
	opened, err := time.Parse(time.RFC3339Nano, at)
	return rules.Incident{ID: id, OpenedAt: opened}, found && err == nil
}

func (s *service) showIncident(ctx context.Context, in *IncidentChoice) (*incidentDetailOutput, error) {
	h, err := s.History.Incident(ctx, in.ID)
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrIndexing) {
		h.Incident, err = s.incident(ctx, in.ID)
	}
	return &incidentDetailOutput{IncidentDetail{h.Incident, h.Transitions, h.Thread, h.Undelivered}}, err
}

// incident is the one of an id, open or the last of its rule and key.
func (s *service) incident(ctx context.Context, id string) (rules.Incident, error) {
	named := func(in rules.Incident) bool { return in.ID == id }
	open := s.Open()
	if i := slices.IndexFunc(open, named); i >= 0 {
		return open[i], nil
	}
	latest, err := s.Latest(ctx)
	if err != nil {
		return rules.Incident{}, fmt.Errorf("find incident: %w", err)
	}
	if i := slices.IndexFunc(latest, named); i >= 0 {
		return latest[i], nil
	}
	return rules.Incident{}, noIncident()
}

func noIncident() error {
	return &ProblemDetails{Status: http.StatusNotFound, Title: "No such incident", Detail: "No stored incident has this id."}
}

// markIncident stores what a person does to an open incident. A second request of the
// same changes nothing.
func (s *service) markIncident(read func([]byte) (rules.Action, error)) func(context.Context, *markInput) (*incidentOutput, error) {
	return func(ctx context.Context, in *markInput) (*incidentOutput, error) {
		action, err := read(in.RawBody)
		if err != nil {
			return nil, err
		}
		found, err := s.incident(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if found.State == rules.Resolved {
			return nil, &ProblemDetails{Status: http.StatusConflict, Title: "Resolved", Detail: "The incident is resolved already."}
		}
		action.By, action.Incident = in.by(action.By), found.ID
		status, err := s.act(ctx, &in.Caller, action, http.StatusOK)
		if err != nil {
			return nil, err
		}
		found, err = s.incident(ctx, in.ID)
		return &incidentOutput{status, found}, err
	}
}

// act stores what a person does and answers the status of it: 202 while judging
// has not come so far.
func (s *service) act(ctx context.Context, c *Caller, action rules.Action, done int) (int, error) {
	if err := action.Check(); err != nil {
		return 0, cannotBe(err)
	}
	seen, err := s.Act(ctx, action)
	if problems := (rules.Problems{}); errors.As(err, &problems) {
		return 0, cannotBe(err)
	}
	if err != nil {
		s.Log.Error("request not stored", "err", err, "request", c.request)
		return 0, &ProblemDetails{Status: http.StatusServiceUnavailable, Title: "Not stored", Detail: "The request could not be made durable; try again."}
	}
	id := action.Incident
	if action.Silence != nil {
		id = action.Silence.ID
	}
	s.audit(c, string(action.Do), action.By, id)
	if !seen {
		return http.StatusAccepted, nil
	}
	return done, nil
}

// cannotBe says what is wrong with an action.
func cannotBe(err error) error {
	var problems rules.Problems
	if errors.As(err, &problems) {
		return refused("condition", problems)
	}
	return unprocessable(err.Error())
}
