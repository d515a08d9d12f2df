package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
)

type deadLettersInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many at most"`
}

type deadLettersOutput struct {
	Body struct {
		DeadLetters []backend.DeadLetter `json:"deadLetters" nullable:"false"`
	}
}

// Replay says which dead letters to normalize again.
type Replay struct {
	IDs []string `json:"ids,omitempty" maxItems:"1000" doc:"raw ids; all dead letters when absent"`
	By  string   `json:"by,omitempty" doc:"who asks for it, for the log; the user of a token that has a name, whatever is given here"`
}

type replayInput struct {
	Caller
	RawBody []byte `contentType:"application/json"`
}

type replayOutput struct{ Body backend.Replayed }

// maxReplayed bounds the ids of one request.
const maxReplayed = 1000

func (s *service) routeDeadLetters() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "listDeadLetters", Method: http.MethodGet, Path: "/deadletters", Summary: "List bodies that could not be normalized, newest first",
	}, func(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
		found, err := s.History.DeadLetters(ctx, in.Limit)
		out := &deadLettersOutput{}
		out.Body.DeadLetters = append([]backend.DeadLetter{}, found...)
		return out, err
	})
	add(s, access.Operator, huma.Operation{
		OperationID: "replayDeadLetters", Method: http.MethodPost, Path: "/deadletters/replay", Summary: "Normalize dead letters again",
		RequestBody: body[Replay](s), MaxBodyBytes: maxRequest,
	}, s.replay)
}

func (s *service) replay(ctx context.Context, in *replayInput) (*replayOutput, error) {
	var r Replay
	if err := decode(in.RawBody, &r); err != nil {
		return nil, err
	}
	switch r.By = in.by(r.By); {
	case r.By == "":
		return nil, unprocessable("by: who asks for it must be named")
	case len(r.IDs) > maxReplayed:
		return nil, unprocessable("ids: at most " + strconv.Itoa(maxReplayed) + " at a time")
	}
	done, err := s.History.Replay(ctx, r.IDs)
	if err == nil {
		s.audit(&in.Caller, "dead letters replayed", r.By, strconv.Itoa(done.Tried))
	}
	return &replayOutput{done}, err
}
