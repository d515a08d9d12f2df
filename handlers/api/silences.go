package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/access"
	"callwatch/rules"
)

type silencesOutput struct {
	Body struct {
		Silences []rules.Silence `json:"silences"`
	}
}

// SilenceRequest asks for a silence: of the incidents that match, or of one
// incident with those that open for its rule and key later.
type SilenceRequest struct {
	ID       string    `json:"id,omitempty" doc:"of the caller's choice, so that a repeated request is the same"`
	Match    string    `json:"match,omitempty" doc:"condition on incidents; either this or incident"`
	Incident string    `json:"incident,omitempty" doc:"id of an open incident"`
	For      string    `json:"for,omitempty" doc:"how long: 90m, 4h, 1d; either this or until"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by,omitempty" doc:"who asks for it; the user of a token that has a name, whatever is given here"`
	Comment  string    `json:"comment,omitempty"`
}

type silenceInput struct {
	Caller
	RawBody []byte `contentType:"application/json"`
}

type silenceOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     rules.Silence
}

type expireInput struct {
	Caller
	ID string `path:"id" maxLength:"200"`
	By string `query:"by" maxLength:"200" doc:"who ends it"`
}

type expireOutput struct{ Status int }

func (s *service) routeSilences() {
	add(s, access.Viewer, huma.Operation{OperationID: "listSilences", Method: http.MethodGet, Path: "/silences", Summary: "List the silences in force"},
		func(context.Context, *noInput) (*silencesOutput, error) {
			out := &silencesOutput{}
			out.Body.Silences = s.API.Silences()
			return out, nil
		})
	add(s, access.Operator, huma.Operation{
		OperationID: "addSilence", Method: http.MethodPost, Path: "/silences", Summary: "Keep incidents from being announced for a time",
		DefaultStatus: http.StatusCreated, RequestBody: body[SilenceRequest](s), MaxBodyBytes: maxRequest,
		Responses: also[rules.Silence](s, map[string]string{"202": "Stored, and in force once the backlog is judged"}),
	}, s.addSilence)
	add(s, access.Operator, huma.Operation{
		OperationID: "expireSilence", Method: http.MethodDelete, Path: "/silences/{id}", Summary: "End a silence early",
		Responses: map[string]*huma.Response{"202": {Description: "Stored, and ended once the backlog is judged"}},
	}, s.expireSilence)
}

func (s *service) addSilence(ctx context.Context, in *silenceInput) (*silenceOutput, error) {
	var request SilenceRequest
	if err := decode(in.RawBody, &request); err != nil {
		return nil, err
	}
	request.By = in.by(request.By)
	made, err := s.silenceOf(ctx, &request)
	if err != nil {
		return nil, err
	}
	status, err := s.act(ctx, &in.Caller, rules.Action{Do: rules.AddSilence, By: request.By, Silence: &made}, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	if status == http.StatusCreated {
		all := s.API.Silences()
		i := slices.IndexFunc(all, func(o rules.Silence) bool { return o.ID == made.ID })
		if i < 0 {
			return nil, &ProblemDetails{Status: http.StatusConflict, Title: "Not silenced", Detail: "A silence of this id was ended before, or there are too many silences."}
		}
		made = all[i]
	}
	return &silenceOutput{status, s.Gate.Base + Prefix + "/silences/" + made.ID, made}, nil
}

// silenceOf is the silence that a request asks for.
func (s *service) silenceOf(ctx context.Context, r *SilenceRequest) (rules.Silence, error) {
	made := rules.Silence{ID: r.ID, Match: r.Match, Until: r.Until.UTC(), By: r.By, Comment: r.Comment}
	if made.ID == "" {
		made.ID = "sil_" + strings.ToLower(rand.Text()[:16])
	}
	switch {
	case (r.Match == "") == (r.Incident == ""):
		return made, unprocessable("give either match or incident")
	case (r.For == "") == r.Until.IsZero():
		return made, unprocessable("give either for or until")
	}
	if r.For != "" {
		d, err := rules.ParseDuration(r.For)
		if err != nil {
			return made, unprocessable("for is not a duration such as 30m, 4h or 1d")
		}
		made.Until = s.Now().Add(d).UTC().Truncate(time.Second)
	}
	if !made.Until.After(s.Now()) {
		return made, unprocessable("the silence would be over already")
	}
	if r.Incident != "" {
		open := s.Open()
		i := slices.IndexFunc(open, func(in rules.Incident) bool { return in.ID == r.Incident })
		if i < 0 {
			if _, err := s.incident(ctx, r.Incident); err != nil {
				return made, err
			}
			return made, &ProblemDetails{Status: http.StatusConflict, Title: "Resolved", Detail: "The incident is resolved already; a silence of what opens later takes match."}
		}
		made.Match = rules.MatchFor(&open[i])
	}
	return made, nil
}

// expireSilence ends a silence early. Who does it is named by the query's by.
func (s *service) expireSilence(ctx context.Context, in *expireInput) (*expireOutput, error) {
	all := s.API.Silences()
	i := slices.IndexFunc(all, func(o rules.Silence) bool { return o.ID == in.ID })
	if i < 0 {
		return nil, &ProblemDetails{Status: http.StatusNotFound, Title: "No such silence", Detail: "No silence in force has this id."}
	}
	if all[i].InFile() {
		return nil, &ProblemDetails{Status: http.StatusConflict, Title: "In the rules file", Detail: "This silence is in the rules file: remove it there."}
	}
	action := rules.Action{Do: rules.ExpireSilence, By: in.by(in.By), Silence: &rules.Silence{ID: all[i].ID}}
	status, err := s.act(ctx, &in.Caller, action, http.StatusNoContent)
	return &expireOutput{status}, err
}
