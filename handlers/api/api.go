// Package api is the programs' interface of callwatch under /api/v1: what is
// stored, incidents and silences, rules. Its OpenAPI document is made from the
// same declarations that read requests and write answers.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

// Prefix is where the interface is.
const Prefix = "/api/v1"

// API is what the interface shows and does. Its functions may be called by many
// requests at once.
type API struct {
	History *backend.History

	Open     func() []rules.Incident                                 // the open incidents
	Latest   func(ctx context.Context) ([]rules.Incident, error)     // the latest of every rule and key, resolved ones too
	Silences func() []rules.Silence                                  // those in force
	Health   func() []rules.Health                                   // of every rule
	Keys     func(rule string) []rules.KeyHealth                     // what the windows of a rule say now
	Rules    func() backend.RulesFile                                // where the rules come from
	Reload   func(ctx context.Context) (backend.RulesFile, error)    // reads the rules file again
	Progress func() backend.Progress                                 // how far judging has come
	Act      func(ctx context.Context, a rules.Action) (bool, error) // false: stored, but not judged yet
}

// Env is what the interface needs of the server it is part of.
type Env struct {
	Gate    *access.Gate // knows what each route needs
	Now     func() time.Time
	Log     *slog.Logger
	Streams int // open at one time
}

// service answers the requests.
type service struct {
	API
	Env
	huma    huma.API
	streams atomic.Int64
}

// Routes adds routes below a prefix, each behind the same guards and for a role. A
// group of Echo with middleware would also catch every path below its prefix, and
// with it the answer 405 to a method that a path does not have.
type Routes struct {
	echo   *echo.Echo
	gate   *access.Gate
	door   access.Door
	prefix string
	guards []echo.MiddlewareFunc
}

// Guarded makes routes below a prefix, behind a door and guards.
func Guarded(e *echo.Echo, gate *access.Gate, door access.Door, prefix string, guards ...echo.MiddlewareFunc) Routes {
	return Routes{e, gate, door, prefix, guards}
}

// GET adds a route for those who have a role.
func (r Routes) GET(role access.Role, path string, h echo.HandlerFunc) {
	r.gate.Add(r.echo, access.Need{Door: r.door, Role: role}, http.MethodGet, r.prefix+path, h, r.guards...)
}

// POST adds a route for those who have a role.
func (r Routes) POST(role access.Role, path string, h echo.HandlerFunc) {
	r.gate.Add(r.echo, access.Need{Door: r.door, Role: role}, http.MethodPost, r.prefix+path, h, r.guards...)
}

// Mount adds the routes and returns how to add further ones, which the document
// does not have. The server answers errors that are *ProblemDetails, refuses
// what pages of other sites send, and turns panics into answers.
func Mount(e *echo.Echo, a API, env Env) Routes {
	s := &service{API: a, Env: env}
	routes := Guarded(e, env.Gate, access.Programs, Prefix, unescape)
	s.huma = humaecho.NewWithGroup(e, e.Group(Prefix), configuration(env.Gate.Base))
	s.huma.UseMiddleware(routes.guard, s.wantJSON)
	s.routeEvents()
	s.routeCalls()
	s.routeIncidents()
	s.routeSilences()
	s.routeRules()
	s.routeDeadLetters()
	s.routeStatus()
	s.routeStore()
	s.routeModel()
	s.routeDocument(routes)
	return routes
}

// guard puts an operation of the library behind the guards.
func (r Routes) guard(ctx huma.Context, next func(huma.Context)) {
	handle := func(echo.Context) error {
		next(ctx)
		return nil
	}
	for _, g := range slices.Backward(r.guards) {
		handle = g(handle)
	}
	c := humaecho.Unwrap(ctx)
	if err := handle(c); err != nil {
		c.Error(err)
	}
}

// schemaName returns the name of a type's schema. Names are part of the contract:
// they stay when a type is renamed in the code.
func schemaName(t reflect.Type, hint string) string {
	named := t
	for named.Kind() == reflect.Pointer {
		named = named.Elem()
	}
	switch named {
	case reflect.TypeFor[backtest.Report]():
		return "BacktestReport"
	case reflect.TypeFor[backtest.RuleReport]():
		return "BacktestRule"
	case reflect.TypeFor[backtest.Totals]():
		return "BacktestTotals"
	case reflect.TypeFor[backend.Point]():
		return "StatsPoint"
	case reflect.TypeFor[backend.Group]():
		return "StatsGroup"
	case reflect.TypeFor[backend.Rate]():
		return "StatsRate"
	case reflect.TypeFor[backend.Cost]():
		return "StatsCost"
	default:
		return huma.DefaultSchemaNamer(t, hint)
	}
}

// configuration of the library: JSON alone, no pages of its own. base is the path prefix
// that a proxy strips.
func configuration(base string) huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "callwatch", Version: "1",
				Description: "Calls, incidents and rules of a running callwatch. Lists are cut into pages: what an answer has as next is the after of the next page. Errors are problem details as of RFC 9457.",
			},
			Servers:    []*huma.Server{{URL: base + Prefix}},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}},
			Security:   []map[string][]string{{"bearer": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{inOwnWords},
	}
}

// pathParameter is one in a path of the document.
var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// add registers an operation for those who have a role. Its handler's errors become
// problems.
func add[I, O any](s *service, role access.Role, op huma.Operation, handle func(ctx context.Context, in *I) (*O, error)) {
	s.Gate.Declare(op.Method, Prefix+pathParameter.ReplaceAllString(op.Path, ":$1"), access.Need{Door: access.Programs, Role: role})
	op.Extensions = map[string]any{"x-role": role.String()}
	op.SkipValidateBody = true // decode does it
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "Problem", Content: map[string]*huma.MediaType{
		problemType: {Schema: s.schema(reflect.TypeFor[ProblemDetails]())},
	}}
	body := op.RequestBody
	var want *huma.Schema
	if body != nil {
		want = body.Content[jsonType].Schema
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, op.OperationID, err)
		}
		return out, nil
	})
	if body != nil { // the library documents a raw body as bytes
		body.Content[jsonType].Schema = want
	}
}

func (s *service) schema(t reflect.Type) *huma.Schema {
	return s.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// body documents the JSON that an operation takes.
func body[B any](s *service) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{jsonType: {Schema: s.schema(reflect.TypeFor[B]())}}}
}

// answers documents an answer of other types than the usual one.
func answers(status, description string, types ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Response{status: {Description: description, Content: content}}
}

// also documents further answers of the same form.
func also[O any](s *service, descriptions map[string]string) map[string]*huma.Response {
	out := map[string]*huma.Response{}
	for status, text := range descriptions {
		out[status] = &huma.Response{Description: text, Content: map[string]*huma.MediaType{jsonType: {Schema: s.schema(reflect.TypeFor[O]())}}}
	}
	return out
}
