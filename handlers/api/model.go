package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

const (
	linesType = "application/x-ndjson"
	csvType   = "text/csv"
)

// ListChoice are the parameters that choose calls.
type ListChoice struct {
	Search   string         `query:"q" maxLength:"200" doc:"id of a call, number in any spelling or its last digits (three or more), or a part of an agent's name" example:"+1 415 555 0187"`
	Filter   string         `query:"filter" maxLength:"4096" doc:"expression of the rule language, judged on each call; only what certainly holds passes. It reads neither raw nor intervals" example:"mos < 3.5 && direction == \"outbound\""`
	Account  string         `query:"account" maxLength:"64" doc:"of this account of a provider"`
	Severity rules.Severity `query:"severity" enum:"critical,warning,info" doc:"of the worst incident of the call"`
	Since    time.Time      `query:"since" doc:"begun at or after"`
	Until    time.Time      `query:"until" doc:"begun before"`
	Sort     string         `query:"sort" maxLength:"40" doc:"field of a call, at or severity; with - before it the largest first. Newest first without it. Calls that do not know the field come last" example:"-packetLossPct"`
	Limit    int            `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"calls on the page"`
	Cursor   string         `query:"cursor" maxLength:"2000" doc:"next of the page before, with the same parameters"`
	Accept   string         `header:"Accept" doc:"application/json, application/x-ndjson or text/csv"`
}

func (in *ListChoice) query() backend.CallQuery {
	name, desc := strings.CutPrefix(in.Sort, "-")
	return backend.CallQuery{
		Search: in.Search, Filter: in.Filter, Account: in.Account, Severity: in.Severity, Since: in.Since, Until: in.Until,
		Sort: name, Desc: desc, Limit: in.Limit, Cursor: in.Cursor,
	}
}

type incidentCallsInput struct {
	IncidentChoice
	ListChoice
}

// CallList is a page of calls.
type CallList struct {
	Calls      []backend.CallRow `json:"calls" nullable:"false"`
	Next       string            `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
	Scanned    int64             `json:"scanned,omitempty" doc:"calls that the filter looked at one by one; absent where the database answers all of it"`
	Incomplete bool              `json:"incomplete,omitempty" doc:"the search through the calls stopped at its time limit: the next page goes on from there"`
	Building   bool              `json:"building,omitempty" doc:"the list is not whole: it is being built from what is stored, and calls, severities and incidents may be missing"`
}

// CallListOf is a page as the API answers it.
func CallListOf(p backend.CallPage) CallList {
	return CallList{Calls: p.Calls, Next: p.Next, Scanned: p.Scanned, Incomplete: p.Incomplete, Building: p.Building}
}

type listOutput struct {
	Type string `header:"Content-Type"`
	Next string `header:"Next-Cursor" doc:"next, for answers that are not JSON"`
	// Building is for answers that have no place for it.
	Building string `header:"List-Building" doc:"true: the list is not whole, it is being built from what is stored; absent otherwise"`
	Body     []byte
}

// StatsChoice are the parameters of figures.
type StatsChoice struct {
	Since    time.Time `query:"since" doc:"24 hours before until where it is absent"`
	Until    time.Time `query:"until" doc:"now where it is absent"`
	Provider string    `query:"provider" maxLength:"64" doc:"only this provider's calls"`
	Filter   string    `query:"filter" maxLength:"4096" doc:"expression of the rule language; with it calls are read one by one instead of the figures of hours"`
	Account  string    `query:"account" maxLength:"64" doc:"only this account's calls"`
	By       string    `query:"by" enum:"provider,account,region,agent,direction,codec,country" doc:"one group for each value" example:"region"`
	Matrix   bool      `query:"byProvider" doc:"one group for each provider and value"`
	Bucket   string    `query:"bucket" maxLength:"20" doc:"length of the points of a series, such as 1h or 5m" example:"1h"`
	Compare  bool      `query:"compare" doc:"with the period of the same length before"`
}

type statsOutput struct{ Body backend.Stats }

type ruleInput struct {
	Name string `path:"name" maxLength:"200"`
}

// RuleDetail is a rule in force and how it is doing.
type RuleDetail struct {
	Rule      rules.Health      `json:"rule"`
	Incidents []rules.Incident  `json:"incidents" nullable:"false" doc:"open ones"`
	Keys      []rules.KeyHealth `json:"keys" nullable:"false" doc:"what each window of the rule says now, at most 500, those nearest to an incident first"`
}

type ruleOutput struct{ Body RuleDetail }

func (s *service) routeModel() {
	list := s.answersOfList()
	add(s, access.Viewer, huma.Operation{
		OperationID: "listCalls", Method: http.MethodGet, Path: "/calls", Summary: "List and find calls",
		Description: "Calls are chosen by search, filter and time. The answer is JSON, lines of JSON or CSV, as Accept asks for.", Responses: list,
	}, func(ctx context.Context, in *ListChoice) (*listOutput, error) {
		m, err := s.model()
		if err != nil {
			return nil, err
		}
		page, err := m.Calls(ctx, in.query())
		return listed(in.Accept, page, err)
	})
	add(s, access.Viewer, huma.Operation{
		OperationID: "listIncidentCalls", Method: http.MethodGet, Path: "/incidents/{id}/calls", Summary: "List the calls of an incident",
		Description: "Those that its steps name, and those of its key and time that meet the condition of its rule, as the rule is now.", Responses: s.answersOfList(),
	}, func(ctx context.Context, in *incidentCallsInput) (*listOutput, error) {
		m, err := s.model()
		if err != nil {
			return nil, err
		}
		page, err := m.IncidentCalls(ctx, in.ID, in.query())
		if errors.Is(err, backend.ErrNotFound) {
			err = &ProblemDetails{Status: http.StatusNotFound, Title: "No such incident", Detail: "No incident of this id is stored, or none any more."}
		}
		return listed(in.Accept, page, err)
	})
	add(s, access.Viewer, huma.Operation{
		OperationID: "showStats", Method: http.MethodGet, Path: "/stats", Summary: "Show figures of calls by dimension and time",
		Description: "Shares are of the calls of which it is known, as rate in rules. Without a filter and beyond six hours the figures come from hours, and the range is widened to whole ones.",
	}, s.stats)
	add(s, access.Viewer, huma.Operation{
		OperationID: "showRule", Method: http.MethodGet, Path: "/rules/{name}", Summary: "Show a rule in force, how it is doing and its open incidents",
	}, s.rule)
}

// model is the read model; 501 where it is switched off.
func (s *service) model() (*backend.ReadModel, error) {
	if s.History.Model == nil {
		return nil, &ProblemDetails{Status: http.StatusNotImplemented, Title: "Not available", Detail: "The read model is switched off: there are no lists of calls and no figures."}
	}
	return s.History.Model, nil
}

func (s *service) answersOfList() map[string]*huma.Response {
	out := answers("200", "A page of calls", linesType, csvType)
	out["200"].Content[jsonType] = &huma.MediaType{Schema: s.schema(reflect.TypeFor[CallList]())}
	return out
}

// listed writes a page in the form that was asked for.
func listed(accept string, page backend.CallPage, err error) (*listOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &listOutput{Type: wanted(accept), Next: page.Next}
	if page.Building {
		out.Building = "true"
	}
	var b bytes.Buffer
	switch out.Type {
	case csvType:
		err = writeCSV(&b, page.Calls)
		out.Type += "; charset=utf-8"
	case linesType:
		lines := json.NewEncoder(&b)
		for i := range page.Calls {
			err = errors.Join(err, lines.Encode(&page.Calls[i]))
		}
	default:
		err = json.NewEncoder(&b).Encode(CallListOf(page))
	}
	out.Body = b.Bytes()
	return out, err
}

// wanted is the first type of an Accept header that a list has; JSON for any other.
func wanted(accept string) string {
	for part := range strings.SplitSeq(accept, ",") {
		if t, _, err := mime.ParseMediaType(part); err == nil && slices.Contains([]string{jsonType, linesType, csvType}, t) {
			return t
		}
	}
	return jsonType
}

func writeCSV(b *bytes.Buffer, rows []backend.CallRow) error {
	fields := slices.DeleteFunc(slices.Clone(call.Fields()), func(f call.Field) bool { return f.Type == call.List || f.Type == call.Object || f.Name == "account" })
	head := []string{"at", "account", "severity", "incidents", "events"}
	for i := range fields {
		head = append(head, fields[i].Name)
	}
	w := csv.NewWriter(b)
	err := w.Write(head)
	for i := range rows {
		r := &rows[i]
		line := []string{r.At.Format(time.RFC3339Nano), cellOf(r.Account), string(r.Severity), cellOf(strings.Join(r.Incidents, " ")), strconv.Itoa(r.Events)}
		for j := range fields {
			line = append(line, cellOf(fields[j].Value(&r.Call)))
		}
		err = errors.Join(err, w.Write(line))
	}
	w.Flush()
	return errors.Join(err, w.Error())
}

// cellOf is a value in CSV. A text that a spreadsheet would take for a formula gets an
// apostrophe before it; a telephone number is none.
func cellOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) && strings.Trim(v, "+0123456789") != "" {
			return "'" + v
		}
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []string:
		return cellOf(strings.Join(v, " "))
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

func (s *service) stats(ctx context.Context, in *StatsChoice) (*statsOutput, error) {
	m, err := s.model()
	if err != nil {
		return nil, err
	}
	q := backend.StatsQuery{Since: in.Since, Until: in.Until, Provider: in.Provider, Account: in.Account, Filter: in.Filter, By: in.By, ByProvider: in.Matrix, Compare: in.Compare}
	if in.Bucket != "" {
		if q.Bucket, err = time.ParseDuration(in.Bucket); err != nil || q.Bucket <= 0 {
			return nil, badRequest("bucket is a length of time, such as 1h or 5m.")
		}
	}
	stats, err := m.Stats(ctx, q)
	return &statsOutput{stats}, err
}

func (s *service) rule(_ context.Context, in *ruleInput) (*ruleOutput, error) {
	all := s.Health()
	i := slices.IndexFunc(all, func(h rules.Health) bool { return h.Rule == in.Name })
	if i < 0 {
		return nil, &ProblemDetails{Status: http.StatusNotFound, Title: "No such rule", Detail: "No rule of this name is in force."}
	}
	out := &ruleOutput{RuleDetail{Rule: all[i], Incidents: []rules.Incident{}, Keys: append([]rules.KeyHealth{}, s.Keys(in.Name)...)}}
	for _, incident := range s.Open() {
		if incident.Rule == in.Name {
			out.Body.Incidents = append(out.Body.Incidents, incident)
		}
	}
	return out, nil
}
