package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

const (
	ndjson = "application/x-ndjson"

	// backtestTime is for how long an answer may be written; progressPause is
	// the least between two lines of progress.
	backtestTime  = 10 * time.Minute
	progressPause = 200 * time.Millisecond
)

// BacktestRequest says what to run over which stored events.
type BacktestRequest struct {
	Rules    string    `json:"rules,omitempty" doc:"content of a rules file; the rules in force when absent"`
	Files    []RulesOf `json:"files,omitempty" doc:"rules files that are one set, in place of rules"`
	Since    time.Time `json:"since,omitzero" doc:"stored at or after; all when absent"`
	Until    time.Time `json:"until,omitzero" doc:"stored before; all when absent"`
	Baseline bool      `json:"baseline,omitempty" doc:"compare with the rules in force"`
	Against  []RulesOf `json:"baselineFiles,omitempty" doc:"compare with these rules files"`
	Calls    int       `json:"calls,omitempty" minimum:"0" maximum:"10000" doc:"calls to list of each rule; 200 when absent"`
}

// RulesOf is one rules file.
type RulesOf struct {
	Name  string `json:"name" doc:"what problems call it"`
	Rules string `json:"rules" doc:"its content"`
}

// MaxCalls bounds the calls that a report lists of each rule.
const MaxCalls = 10_000

// sources are rules files as the loader takes them.
func sources(files []RulesOf) []rules.Source {
	var out []rules.Source
	for _, f := range files {
		out = append(out, rules.Source{Name: f.Name, Text: []byte(f.Rules)})
	}
	return out
}

type backtestInput struct {
	Caller
	Accept  string `header:"Accept" hidden:"true"`
	RawBody []byte `contentType:"application/json"`
}

// backtestLine is one line of a backtest that is watched: progress, then a report
// or a problem.
type backtestLine struct {
	Progress *backtestProgress `json:"progress,omitempty"`
	Report   *backtest.Report  `json:"report,omitempty"`
	Problem  *ProblemDetails   `json:"problem,omitempty"`
}

type backtestProgress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

func (s *service) routeBacktest() {
	responses := also[backtest.Report](s, map[string]string{"200": "The report; to who accepts " + ndjson + " lines of progress, then the report or a problem"})
	responses["200"].Content[ndjson] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	add(s, access.Operator, huma.Operation{
		OperationID: "backtestRules", Method: http.MethodPost, Path: "/rules/backtest", Summary: "Show what rules would have announced about stored calls",
		Description: "One runs at a time. It ends when the client leaves, and after five minutes.",
		RequestBody: body[BacktestRequest](s), MaxBodyBytes: 2 * maxRules, Responses: responses,
	}, s.backtest)
	// Null where nothing happened, which the library cannot say of an object.
	hour := s.huma.OpenAPI().Components.Schemas.Map()["BacktestRule"].Properties
	hour["busiestHour"] = &huma.Schema{AnyOf: []*huma.Schema{hour["busiestHour"], {Type: "null"}}}
}

func (s *service) backtest(ctx context.Context, in *backtestInput) (*huma.StreamResponse, error) {
	var r BacktestRequest
	if err := s.decodeRules(ctx, in.RawBody, &r); err != nil {
		return nil, err
	}
	if r.Calls < 0 || r.Calls > MaxCalls {
		return nil, badRequest("calls is not in 0 to 10000.")
	}
	if r.Rules != "" && len(r.Files) > 0 {
		return nil, badRequest("rules and files: give one of them.")
	}
	if r.Rules != "" {
		r.Files = []RulesOf{{"rules.yaml", r.Rules}}
	}
	q := backend.BacktestQuery{Since: r.Since, Until: r.Until, Baseline: r.Baseline || len(r.Against) > 0, Calls: r.Calls}
	for files, set := range map[*[]RulesOf]**rules.Set{&r.Files: &q.Rules, &r.Against: &q.Against} {
		if len(*files) == 0 {
			continue
		}
		compiled, problems, err := s.History.Check(ctx, sources(*files))
		if err != nil {
			return nil, err
		}
		if problems.Errors() {
			return nil, refused("rules", problems)
		}
		*set = compiled
	}
	if !strings.Contains(in.Accept, ndjson) {
		return s.plainBacktest(q)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) { s.watchedBacktest(hc, q) }}, nil
}

// plainBacktest answers when it is done.
func (s *service) plainBacktest(q backend.BacktestQuery) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		patient(hc)
		report, err := s.History.Backtest(hc.Context(), q, nil)
		if err != nil {
			s.problemOf(hc.Context(), "backtestRules", err).write(s.huma, hc)
			return
		}
		hc.SetHeader("Content-Type", jsonType)
		hc.SetStatus(http.StatusOK)
		_ = s.huma.Marshal(hc.BodyWriter(), jsonType, report) // the client is gone: nothing left to tell
	}}, nil
}

// watchedBacktest writes a line now and then.
func (s *service) watchedBacktest(hc huma.Context, q backend.BacktestQuery) {
	patient(hc)
	hc.SetHeader("Content-Type", ndjson)
	hc.SetStatus(http.StatusOK)
	conn := http.NewResponseController(humaecho.Unwrap(hc).Response())
	enc := json.NewEncoder(hc.BodyWriter())
	write := func(l backtestLine) {
		if enc.Encode(l) == nil {
			_ = conn.Flush() // a client that is gone cancels the context
		}
	}
	var told time.Time
	report, err := s.History.Backtest(hc.Context(), q, func(done, total uint64) {
		if now := time.Now(); now.Sub(told) >= progressPause || done == total {
			told = now
			write(backtestLine{Progress: &backtestProgress{done, total}})
		}
	})
	if err != nil {
		write(backtestLine{Problem: s.problemOf(hc.Context(), "backtestRules", err)})
		return
	}
	write(backtestLine{Report: &report})
}

// patient lets an answer take longer than the server's usual time.
func patient(hc huma.Context) {
	conn := http.NewResponseController(humaecho.Unwrap(hc).Response())
	_ = conn.SetReadDeadline(time.Time{}) // both fail only on a connection that is gone
	_ = conn.SetWriteDeadline(time.Now().Add(backtestTime))
}
