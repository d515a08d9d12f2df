package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// CallChoice names a call.
type CallChoice struct {
	Provider string `path:"provider" maxLength:"64"`
	CallID   string `path:"callId" maxLength:"4096" doc:"the provider's id of the call"`
	Account  string `query:"account" maxLength:"64" doc:"the account of the provider, where the settings name several"`
}

func (in *CallChoice) key() call.Key {
	return call.Key{Provider: in.Provider, Account: in.Account, CallID: in.CallID}
}

type callOutput struct{ Body backend.CallHistory }

type explainOutput struct{ Body rules.CallExplanation }

// Trial is an expression to try.
type Trial struct {
	Expr string `json:"expr" doc:"expression of the rule language; it may use macros and lists of the rules in force"`
}

type tryInput struct {
	CallChoice
	RawBody []byte `contentType:"application/json"`
}

type tryOutput struct{ Body rules.Explanation }

type bodyInput struct {
	RawID string `path:"rawId" maxLength:"40" doc:"rawId of an event or dead letter"`
}

type bodyOutput struct {
	Type string `header:"Content-Type"`
	Name string `header:"Content-Disposition"`
	Body []byte
}

func (s *service) routeCalls() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "showCall", Method: http.MethodGet, Path: "/calls/{provider}/{callId}",
		Summary: "Show what is stored about a call: the fold of its events, the events, the incidents that name it",
	}, func(ctx context.Context, in *CallChoice) (*callOutput, error) {
		c, err := s.History.Call(ctx, in.key())
		return &callOutput{c}, noCall(err)
	})
	add(s, access.Viewer, huma.Operation{
		OperationID: "explainCall", Method: http.MethodGet, Path: "/calls/{provider}/{callId}/explain",
		Summary: "Tell why each rule did or did not alert for a call",
	}, func(ctx context.Context, in *CallChoice) (*explainOutput, error) {
		x, err := s.History.Explain(ctx, in.key())
		return &explainOutput{x}, noCall(err)
	})
	add(s, access.Operator, huma.Operation{
		OperationID: "tryExpression", Method: http.MethodPost, Path: "/calls/{provider}/{callId}/try",
		Summary: "Judge a call by an expression that is no rule yet", RequestBody: body[Trial](s), MaxBodyBytes: maxRequest,
	}, s.try)
	add(s, access.Viewer, huma.Operation{
		OperationID: "showBody", Method: http.MethodGet, Path: "/bodies/{rawId}", Summary: "Show a body as it was received or fetched",
		Responses: answers("200", "The bytes, as text where they are text", "text/plain", "application/octet-stream"),
	}, s.showBody)
}

func (s *service) try(ctx context.Context, in *tryInput) (*tryOutput, error) {
	var t Trial
	if err := decode(in.RawBody, &t); err != nil {
		return nil, err
	}
	x, err := s.History.Try(ctx, t.Expr, in.key())
	return &tryOutput{x}, noCall(err)
}

// showBody answers bytes that a stranger chose: never as a type that a browser
// would run.
func (s *service) showBody(ctx context.Context, in *bodyInput) (*bodyOutput, error) {
	b, err := s.History.Body(ctx, in.RawID)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, &ProblemDetails{Status: http.StatusNotFound, Title: "No such body", Detail: "No body is stored under this id, or none any more."}
	}
	if err != nil {
		return nil, err
	}
	out := &bodyOutput{Type: "application/octet-stream", Name: mime.FormatMediaType("inline", map[string]string{"filename": b.RawID}), Body: b.Bytes}
	if utf8.Valid(b.Bytes) {
		out.Type = "text/plain; charset=utf-8"
	}
	return out, nil
}

func noCall(err error) error {
	if errors.Is(err, backend.ErrNotFound) {
		return &ProblemDetails{Status: http.StatusNotFound, Title: "No such call", Detail: "No event of this call is stored, or none any more."}
	}
	return err
}
