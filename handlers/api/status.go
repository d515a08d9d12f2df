package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/handlers/backend"
)

type noInput struct{}

// Status is how callwatch itself is.
type Status struct {
	Version    json.RawMessage          `json:"version"`
	Started    time.Time                `json:"started"`
	Durability string                   `json:"durability" doc:"what an accepted webhook survives"`
	Ready      bool                     `json:"ready"`
	Checks     []backend.Check          `json:"checks"`
	Rules      backend.RulesFile        `json:"rules"`
	Judged     backend.Progress         `json:"judged"`
	Backlog    uint64                   `json:"backlog" doc:"events that wait to be judged"`
	Incidents  int                      `json:"incidentsOpen"`
	Silences   int                      `json:"silences"`
	Providers  []backend.ProviderStatus `json:"providers"`
	Streams    []backend.StreamStatus   `json:"streams"`
	Dead       uint64                   `json:"deadLetters"`
	Receivers  []backend.Receiver       `json:"receivers" doc:"where alerts go, once one went there"`
	Store      *backend.StoreUsage      `json:"store,omitempty" doc:"how full the embedded store is"`
	Model      *backend.ModelStatus     `json:"readModel,omitempty" doc:"how far lists of calls and figures have come; absent where the read model is switched off"`
}

type statusOutput struct{ Body Status }

type providersOutput struct {
	Body struct {
		Providers []backend.ProviderStatus `json:"providers"`
	}
}

// Field is one row of the field table: what events have and rules read.
type Field struct {
	Name string    `json:"name"`
	Type call.Type `json:"type"`
	Unit string    `json:"unit,omitempty"`
	Doc  string    `json:"doc"`
	Enum []string  `json:"enum,omitempty"`
	Min  *float64  `json:"min,omitempty"`
	Max  *float64  `json:"max,omitempty"`
}

type fieldsOutput struct {
	Body struct {
		Fields []Field `json:"fields"`
	}
}

// checkTime bounds one look at the state of everything.
const checkTime = 2 * time.Second

func (s *service) routeStatus() {
	add(s, access.Viewer, huma.Operation{OperationID: "showStatus", Method: http.MethodGet, Path: "/status", Summary: "Show how callwatch itself is"}, s.status)
	add(s, access.Viewer, huma.Operation{OperationID: "listProviders", Method: http.MethodGet, Path: "/providers", Summary: "List providers and what came from them since the start"},
		func(ctx context.Context, _ *noInput) (*providersOutput, error) {
			out := &providersOutput{}
			out.Body.Providers = s.History.Status(ctx).Providers
			return out, nil
		})
	add(s, access.Viewer, huma.Operation{OperationID: "listFields", Method: http.MethodGet, Path: "/fields", Summary: "List the fields of events, as rules and filters name them"},
		func(context.Context, *noInput) (*fieldsOutput, error) {
			out := &fieldsOutput{}
			for _, f := range call.Fields() {
				out.Body.Fields = append(out.Body.Fields, Field{Name: f.Name, Type: f.Type, Unit: f.Unit, Doc: f.Doc, Enum: f.Enum, Min: f.Min, Max: f.Max})
			}
			return out, nil
		})
}

func (s *service) status(ctx context.Context, _ *noInput) (*statusOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	h := s.History.Status(ctx)
	return &statusOutput{Status{
		Version: h.Version, Started: h.Started, Durability: h.Durability, Ready: h.Ready, Checks: h.Checks,
		Rules: s.Rules(), Judged: s.Progress(), Backlog: h.Backlog, Incidents: len(s.Open()), Silences: len(s.API.Silences()),
		Providers: h.Providers, Streams: h.Streams, Dead: h.Dead, Receivers: h.Receivers, Store: h.Store, Model: h.Model,
	}}, nil
}
