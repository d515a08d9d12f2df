package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

type rulesOutput struct {
	Body struct {
		File  backend.RulesFile `json:"file"`
		Rules []rules.Health    `json:"rules"`
	}
}

type reloadInput struct{ Caller }

type reloadOutput struct {
	Status int
	Body   backend.RulesFile
}

// RulesText is the content of a rules file.
type RulesText struct {
	Rules string `json:"rules" doc:"content of a rules file, YAML"`
}

// RulesVerdict is what is wrong with a rules file.
type RulesVerdict struct {
	OK       bool           `json:"ok" doc:"it could be used: there may still be warnings"`
	Rules    int            `json:"rules" doc:"how many there are"`
	Problems rules.Problems `json:"problems" nullable:"false"`
}

type checkInput struct {
	RawBody []byte `contentType:"application/json"`
}

type checkOutput struct{ Body RulesVerdict }

func (s *service) routeRules() {
	add(s, access.Viewer, huma.Operation{OperationID: "listRules", Method: http.MethodGet, Path: "/rules", Summary: "List the rules in force and how they are doing"},
		func(context.Context, *noInput) (*rulesOutput, error) {
			out := &rulesOutput{}
			out.Body.File, out.Body.Rules = s.Rules(), s.Health()
			return out, nil
		})
	add(s, access.Admin, huma.Operation{
		OperationID: "reloadRules", Method: http.MethodPost, Path: "/rules/reload", Summary: "Read the rules file again; with an error in it the rules in force stay",
		Responses: also[backend.RulesFile](s, map[string]string{"202": "Read, and in force with the next event"}),
	}, s.reloadRules)
	add(s, access.Operator, huma.Operation{
		OperationID: "checkRules", Method: http.MethodPost, Path: "/rules/check", Summary: "Say what is wrong with rules, without using them",
		RequestBody: body[RulesText](s), MaxBodyBytes: maxRules,
	}, func(ctx context.Context, in *checkInput) (*checkOutput, error) {
		var text RulesText
		if err := s.decodeRules(ctx, in.RawBody, &text); err != nil {
			return nil, err
		}
		set, problems, err := s.History.Check(ctx, []rules.Source{{Name: "rules.yaml", Text: []byte(text.Rules)}})
		if err != nil {
			return nil, err
		}
		out := &checkOutput{RulesVerdict{OK: set != nil, Problems: append(rules.Problems{}, problems...)}}
		if set != nil {
			out.Body.Rules = len(set.Rules)
		}
		return out, nil
	})
	s.routeBacktest()
}

// reloadRules reads the rules file again. It takes no body.
func (s *service) reloadRules(ctx context.Context, in *reloadInput) (*reloadOutput, error) {
	file, err := s.Reload(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reload rules: %w", err)
	case file.Refused():
		p := &ProblemDetails{Status: http.StatusUnprocessableEntity, Title: "Rules refused", Detail: "The rules in force stay.", Problems: file.Problems}
		if file.Error != "" {
			p.Detail = "The rules in force stay: " + file.Error
		}
		return nil, p
	}
	s.audit(&in.Caller, "rules reloaded", in.by(""), file.Digest)
	if file.Pending {
		return &reloadOutput{http.StatusAccepted, file}, nil
	}
	return &reloadOutput{http.StatusOK, file}, nil
}
