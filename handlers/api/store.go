package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/handlers/backend"
)

type storeOutput struct{ Body backend.StoreSize }

// Prune says how to remove what retention no longer keeps.
type Prune struct {
	DryRun bool   `json:"dryRun,omitempty" doc:"only say what would be removed"`
	By     string `json:"by" doc:"who asks for it, for the log"`
}

type pruneInput struct {
	Caller
	RawBody []byte `contentType:"application/json"`
}

type pruneOutput struct{ Body backend.Pruned }

func (s *service) routeStore() {
	add(s, huma.Operation{
		OperationID: "showStore", Method: http.MethodGet, Path: "/store", Summary: "Show what each stream takes, the limit, the growth and the days left",
	}, func(ctx context.Context, _ *noInput) (*storeOutput, error) {
		size, err := s.History.Store(ctx)
		return &storeOutput{size}, err
	})
	add(s, huma.Operation{
		OperationID: "pruneStore", Method: http.MethodPost, Path: "/store/prune", Summary: "Remove now what retention no longer keeps",
		RequestBody: body[Prune](s), MaxBodyBytes: maxRequest,
	}, s.prune)
}

func (s *service) prune(ctx context.Context, in *pruneInput) (*pruneOutput, error) {
	var p Prune
	if err := decode(in.RawBody, &p); err != nil {
		return nil, err
	}
	if p.By == "" {
		return nil, unprocessable("by: who asks for it must be named")
	}
	done, err := s.History.PruneStore(ctx, p.DryRun)
	if err == nil && !p.DryRun {
		s.audit(&in.Caller, "store pruned", p.By, strconv.Itoa(len(done.Streams)))
	}
	return &pruneOutput{done}, err
}
