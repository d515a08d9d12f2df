package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/stream"
)

// contract holds a running callwatch to its OpenAPI document: each answer is
// checked against the schema that the document gives for it.
type contract struct {
	t         *testing.T
	base      string
	document  map[string]any
	compiler  *jsonschema.Compiler
	exercised map[string]bool // "GET /events"
}

func contractOf(t *testing.T, base string) *contract {
	t.Helper()
	c := &contract{t: t, base: base + "/api/v1", exercised: map[string]bool{}, compiler: jsonschema.NewCompiler()}
	answer, body := c.send(http.MethodGet, "/openapi.json", "", adminToken)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("the document: %d %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c.document = parsed.(map[string]any)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	return c
}

// reply is an answer less its body.
type reply struct {
	StatusCode int
	Header     http.Header
}

// send makes one request; headers come as pairs.
func (c *contract) send(method, path, body, token string, headers ...string) (reply, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Timeout: 30 * time.Second} // a stream that opens to everybody never ends
	res, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header}, answer
}

// ask makes a request of the document, and checks that status, type and content
// of the answer are what the document says.
func (c *contract) ask(method, path, body string, status int, headers ...string) (reply, []byte) {
	c.t.Helper()
	template, operation := c.operation(method, path)
	if operation == nil {
		c.t.Fatalf("%s %s is not in the document", method, path)
	}
	res, answer := c.send(method, path, body, adminToken, headers...)
	if res.StatusCode != status {
		c.t.Fatalf("%s %s answered %d, want %d: %s", method, path, res.StatusCode, status, answer)
	}
	if status < 400 {
		c.exercised[method+" "+template] = true
	}
	c.check(fmt.Sprintf("%s %s, %d", method, template, status), []string{"paths", template, strings.ToLower(method), "responses"}, operation["responses"].(map[string]any), res, answer)
	return res, answer
}

// operation finds the route a path is for: literal segments before parameters.
func (c *contract) operation(method, path string) (template string, operation map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	given := strings.Split(path, "/")
	for _, t := range slices.Sorted(maps.Keys(c.document["paths"].(map[string]any))) {
		want := strings.Split(t, "/")
		ok := len(want) == len(given)
		for i := 0; ok && i < len(want); i++ {
			ok = want[i] == given[i] || strings.HasPrefix(want[i], "{")
		}
		item := c.document["paths"].(map[string]any)[t].(map[string]any)
		if found, has := item[strings.ToLower(method)].(map[string]any); ok && has && (operation == nil || !strings.Contains(t, "{")) {
			template, operation = t, found
		}
	}
	return template, operation
}

func (c *contract) check(what string, at []string, responses map[string]any, res reply, answer []byte) {
	c.t.Helper()
	key := fmt.Sprint(res.StatusCode)
	if _, ok := responses[key]; !ok {
		if key = "default"; res.StatusCode < 400 {
			c.t.Fatalf("%s: the document has no such answer", what)
		}
	}
	content, _ := responses[key].(map[string]any)["content"].(map[string]any)
	if len(content) == 0 {
		if len(answer) > 0 {
			c.t.Errorf("%s: an answer without content has %s", what, answer)
		}
		return
	}
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if _, ok := content[media]; err != nil || !ok {
		c.t.Fatalf("%s: type %q is not in the document", what, res.Header.Get("Content-Type"))
	}
	if !strings.HasSuffix(media, "json") || media == "application/x-ndjson" {
		return
	}
	pointer := ""
	for _, p := range append(at, key, "content", media, "schema") {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(p)
	}
	schema, err := c.compiler.Compile("openapi.json#" + pointer)
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		c.t.Errorf("%s: %v\n%.2000s", what, err, answer)
	}
}

func into[T any](t *testing.T, answer []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return v
}

// The document is OpenAPI 3.1 by the schema of the OpenAPI Initiative.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	_, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, failedRule) })
	c := contractOf(t, base)
	src, err := os.Open("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	parsed, err := jsonschema.UnmarshalJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("https://spec.openapis.org/oas/3.1/schema/2026-08-03", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("https://spec.openapis.org/oas/3.1/schema/2026-08-03")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(c.document); err != nil {
		t.Error(err)
	}
	schemas := c.document["components"].(map[string]any)["schemas"].(map[string]any)
	for _, name := range []string{"BacktestReport", "BacktestRule", "BacktestTotals", "CallMatch", "Incident", "Health"} {
		if schemas[name] == nil {
			t.Errorf("no schema %s: clients know it by that name", name)
		}
	}
	for name := range schemas {
		if _, err := c.compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
	}
	if res, yaml := c.send(http.MethodGet, "/openapi.yaml", "", adminToken); res.StatusCode != http.StatusOK || !bytes.Contains(yaml, []byte("openapi: 3.1.0")) {
		t.Errorf("as YAML: %d %.200s", res.StatusCode, yaml)
	}
}

// Every route of the document answers as the document says.
func TestAPIKeepsItsDocument(t *testing.T) {
	t.Parallel()
	path := writeRules(t, failedRule+"  - {name: low-mos, when: mos < 3.5}\n")
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	c := contractOf(t, base)
	judgedCalls(t, a, base, "call_1", "call_2", "call/3")
	postBody(t, base, `{"no": "call"}`)
	eventually(t, "the incidents are open", func() bool { return len(listed(t, base)) == 3 })
	eventually(t, "the dead letter is there", func() bool { return a.status(t.Context()).Dead == 1 })

	type page struct {
		Events []backend.StoredEvent
		Next   string
	}
	_, answer := c.ask("GET", "/events?limit=2", "", 200)
	first := into[page](t, answer)
	_, answer = c.ask("GET", "/events?limit=2&after="+first.Next, "", 200)
	second := into[page](t, answer)
	if len(first.Events) != 2 || len(second.Events) != 1 || second.Next != "" || second.Events[0].Event.CallID != "call_1" {
		t.Errorf("pages %+v %+v", first, second)
	}
	_, answer = c.ask("GET", `/events?provider=butter&filter=callId%20==%20%22call_2%22`, "", 200)
	if got := into[page](t, answer); len(got.Events) != 1 {
		t.Errorf("filtered %+v", got)
	}
	c.ask("GET", "/calls/butter/call_1", "", 200)
	if err := a.model.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	type calls struct {
		Calls []backend.CallRow
		Next  string
	}
	_, answer = c.ask("GET", "/calls?limit=2&sort=-callId", "", 200)
	some2 := into[calls](t, answer)
	_, answer = c.ask("GET", "/calls?limit=2&sort=-callId&cursor="+some2.Next, "", 200)
	rest2 := into[calls](t, answer)
	if len(some2.Calls) != 2 || some2.Calls[0].Call.CallID != "call_2" || len(rest2.Calls) != 1 || rest2.Next != "" {
		t.Errorf("pages of calls: %+v, then %+v", some2, rest2)
	}
	_, answer = c.ask("GET", "/calls?q=call_2&filter=status%20==%20%22failed%22", "", 200, "Accept", "application/x-ndjson")
	if got := into[backend.CallRow](t, answer); got.Call.CallID != "call_2" || len(got.Incidents) != 1 {
		t.Errorf("lines of calls %s", answer)
	}
	if res, answer := c.ask("GET", "/calls", "", 200, "Accept", "text/csv, */*;q=0.5"); bytes.Count(answer, []byte("\n")) != 4 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("CSV %s", answer)
	}
	_, answer = c.ask("GET", "/stats?by=region&byProvider=true&bucket=1h&compare=true", "", 200)
	if got := into[backend.Stats](t, answer); got.Total.Calls != 3 || got.Total.Failed.True != 3 || len(got.Groups) != 1 || got.Source != "rollups" {
		t.Errorf("figures %s", answer)
	}
	_, answer = c.ask("GET", "/rules/low-mos", "", 200)
	if got := into[struct{ Rule rules.Health }](t, answer); got.Rule.Rule != "low-mos" {
		t.Errorf("rule %s", answer)
	}
	c.ask("GET", "/calls/butter/call%2F3", "", 200)
	c.ask("GET", "/calls/butter/call_1/explain", "", 200)
	c.ask("POST", "/calls/butter/call_1/try", `{"expr": "durationSec == 0"}`, 200)
	res, raw := c.ask("GET", "/bodies/"+second.Events[0].Event.RawID, "", 200)
	if !bytes.Contains(raw, []byte(`"call_sid":"call_1"`)) || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("body %s with %v", raw, res.Header)
	}

	_, answer = c.ask("GET", "/incidents?limit=2", "", 200)
	type incidents struct {
		Incidents []rules.Incident
		Next      string
	}
	some := into[incidents](t, answer)
	_, answer = c.ask("GET", "/incidents?limit=2&after="+some.Next, "", 200)
	rest := into[incidents](t, answer)
	if len(some.Incidents) != 2 || len(rest.Incidents) != 1 || rest.Next != "" || rest.Incidents[0].ID == some.Incidents[1].ID {
		t.Errorf("pages of incidents: %d, then %d", len(some.Incidents), len(rest.Incidents))
	}
	id := some.Incidents[0].ID
	eventually(t, "the incident is indexed", func() bool { _, err := a.reads().Incident(t.Context(), id); return err == nil })
	_, answer = c.ask("GET", "/incidents/"+id, "", 200)
	if shown := into[struct{ Transitions []rules.Transition }](t, answer); len(shown.Transitions) == 0 {
		t.Errorf("incident without transitions: %s", answer)
	}
	_, answer = c.ask("GET", "/incidents/"+id+"/calls", "", 200)
	if got := into[calls](t, answer); len(got.Calls) != 1 || got.Calls[0].Incidents[0] != id {
		t.Errorf("calls of the incident: %s", answer)
	}
	c.ask("POST", "/incidents/"+id+"/ack", `{"by":"ada"}`, 200)
	for state, want := range map[string]int{"open": 3, "acknowledged": 1, "silenced": 0, "resolved": 0} {
		_, answer = c.ask("GET", "/incidents?state="+state, "", 200)
		if got := into[incidents](t, answer); len(got.Incidents) != want {
			t.Errorf("%d incidents are %s, want %d", len(got.Incidents), state, want)
		}
	}
	c.ask("POST", "/incidents/"+id+"/unack", `{"by":"ada"}`, 200)
	c.ask("POST", "/incidents/"+id+"/assign", `{"by":"ada","to":"grace"}`, 200)
	c.ask("POST", "/incidents/"+id+"/note", `{"by":"ada","text":"the carrier looks at it"}`, 200)
	c.ask("POST", "/incidents/"+rest.Incidents[0].ID+"/resolve", `{"by":"ada"}`, 200)

	res, answer = c.ask("POST", "/silences", `{"incident":"`+id+`","for":"1h","by":"ada"}`, 201)
	made := into[rules.Silence](t, answer)
	if got, want := res.Header.Get("Location"), "/api/v1/silences/"+made.ID; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	c.ask("GET", "/silences", "", 200)
	c.ask("DELETE", "/silences/"+made.ID+"?by=ada", "", 204)

	c.ask("GET", "/rules", "", 200)
	c.ask("POST", "/rules/reload", "", 200)
	_, answer = c.ask("POST", "/rules/check", `{"rules":"rules: [{name: a, when: moss < 3}]"}`, 200)
	if verdict := into[struct {
		OK       bool
		Problems rules.Problems
	}](t, answer); verdict.OK || verdict.Problems[0].Code != "unknown-field" || verdict.Problems[0].Column == 0 {
		t.Errorf("verdict %s", answer)
	}
	c.ask("POST", "/rules/check", `{"rules":"rules: [{name: a, when: mos < 3}]"}`, 200)
	_, answer = c.ask("POST", "/rules/backtest", `{"baseline":true}`, 200)
	if report := into[backtest.Report](t, answer); report.Events != 3 || report.Matched != 3 {
		t.Errorf("report %s", answer)
	}
	_, answer = c.ask("POST", "/rules/backtest", `{"rules":"rules: [{name: a, when: mos < 3}]"}`, 200, "Accept", "application/x-ndjson")
	lines := bytes.Split(bytes.TrimSpace(answer), []byte("\n"))
	if len(lines) < 2 || !bytes.Contains(lines[0], []byte(`"progress"`)) || !bytes.Contains(lines[len(lines)-1], []byte(`"report"`)) {
		t.Errorf("lines %s", answer)
	}

	c.ask("GET", "/deadletters", "", 200)
	c.ask("POST", "/deadletters/replay", `{"by":"ada"}`, 200)
	c.ask("GET", "/status", "", 200)
	c.ask("GET", "/store", "", 200)
	c.ask("POST", "/store/prune", `{"by":"ada","dryRun":true}`, 200)
	_, archive := c.ask("GET", "/store/backup", "", 200)
	if b, err := stream.ReadBackup(bytes.NewReader(archive), int64(len(archive))); err != nil || b.Messages() == 0 {
		t.Errorf("backup %+v, %v", b, err)
	}
	c.ask("GET", "/providers", "", 200)
	_, answer = c.ask("GET", "/fields", "", 200)
	if !bytes.Contains(answer, []byte(`"name":"packetLossPct"`)) {
		t.Errorf("fields %s", answer)
	}
	for _, path := range []string{"/events/stream", "/incidents/stream"} {
		r := listen(t, base, path, "")
		r.close()
		c.exercised["GET "+path] = true
	}

	for template, item := range c.document["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if name := strings.ToUpper(method) + " " + template; !c.exercised[name] {
				t.Errorf("%s: no request was made to it", name)
			}
		}
	}
}

// What is wrong with a request is told in one form, and nothing of it does harm.
func TestAPIRefuses(t *testing.T) {
	t.Parallel()
	a, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, failedRule) })
	c := contractOf(t, base)
	judgedCalls(t, a, base, "call_1")
	long := strings.Repeat("x", 5000)
	for name, x := range map[string]struct {
		method, path, body string
		want               int
		says               string
	}{
		"huge limit":               {"GET", "/events?limit=1000000000", "", 422, "query.limit"},
		"limit of nothing":         {"GET", "/events?limit=0", "", 422, "query.limit"},
		"limit of letters":         {"GET", "/events?limit=many", "", 422, "query.limit"},
		"limit beyond integers":    {"GET", "/events?limit=99999999999999999999999", "", 422, "query.limit"},
		"no such kind":             {"GET", "/events?kind=noise", "", 422, "query.kind"},
		"no time":                  {"GET", "/events?since=yesterday", "", 422, "query.since"},
		"no cursor":                {"GET", "/events?after=%2e%2e", "", 400, "after"},
		"wrong filter":             {"GET", "/events?filter=mos%20%3C%203%20%26%26%20jiterMs%20%3E%201", "", 422, `"column":12`},
		"endless filter":           {"GET", "/events?filter=" + long, "", 422, "query.filter"},
		"wrong filter of a stream": {"GET", "/events/stream?filter=mos", "", 422, `"line":1`},
		"no place in a stream":     {"GET", "/events/stream?after=first", "", 400, "after"},
		"calls beyond a page":      {"GET", "/calls?limit=1001", "", 422, "query.limit"},
		"wrong filter of calls":    {"GET", "/calls?filter=moss%20%3C%203", "", 422, "unknown-field"},
		"raw in a filter of calls": {"GET", "/calls?filter=raw.x%20==%201", "", 422, "raw"},
		"no column of calls":       {"GET", "/calls?sort=raw", "", 422, "sorted"},
		"no cursor of calls":       {"GET", "/calls?cursor=x", "", 422, "cursor"},
		"no severity of calls":     {"GET", "/calls?severity=bad", "", 422, "query.severity"},
		"no dimension":             {"GET", "/stats?by=raw", "", 422, "query.by"},
		"no bucket":                {"GET", "/stats?bucket=long", "", 400, "bucket"},
		"backwards":                {"GET", "/stats?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "", 422, "since"},
		"no such rule":             {"GET", "/rules/none", "", 404, "No such rule"},
		"calls of no incident":     {"GET", "/incidents/inc_none/calls", "", 404, "No such incident"},
		"no such call":             {"GET", "/calls/butter/nobody", "", 404, "No such call"},
		"no such call explained":   {"GET", "/calls/butter/nobody/explain", "", 404, "No such call"},
		"wrong expression":         {"POST", "/calls/butter/call_1/try", `{"expr":"mos <"}`, 422, `"line":1`},
		"no expression":            {"POST", "/calls/butter/call_1/try", `{"exp":"mos < 3"}`, 400, "unknown field"},
		"no body":                  {"POST", "/calls/butter/call_1/try", "", 415, "application/json"},
		"no such raw id":           {"GET", "/bodies/77.0", "", 404, "No such body"},
		"a path as raw id":         {"GET", "/bodies/..%2F..%2Fetc", "", 404, "No such body"},
		"no such state":            {"GET", "/incidents?state=shut", "", 400, "state is"},
		"no cursor of incidents":   {"GET", "/incidents?after=x", "", 400, "after"},
		"no such incident":         {"GET", "/incidents/inc_none", "", 404, "No such incident"},
		"wrong rules":              {"POST", "/rules/backtest", `{"rules":"rules: [{name: a, when: moss < 3}]"}`, 422, "unknown-field"},
		"too many dead letters":    {"GET", "/deadletters?limit=1001", "", 422, "query.limit"},
		"replayed by nobody":       {"POST", "/deadletters/replay", `{}`, 422, "by"},
		"too large":                {"POST", "/calls/butter/call_1/try", `{"expr":"` + strings.Repeat("x", 70_000) + `"}`, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			_, answer := c.ask(x.method, x.path, x.body, x.want)
			if !bytes.Contains(answer, []byte(x.says)) {
				t.Errorf("answered %s, want %q in it", answer, x.says)
			}
		})
	}
}

// Nothing of the document is answered without a token, and nothing is changed by
// a page of another site.
func TestAPIOpensToTokensOnly(t *testing.T) {
	t.Parallel()
	_, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, failedRule) })
	c := contractOf(t, base)
	_, off := running(t, func(c *config.Config) { c.Rules, c.AdminToken = writeRules(t, failedRule), "" })
	none := &contract{t: t, base: off + "/api/v1"}
	for template, item := range c.document["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			method = strings.ToUpper(method)
			path := strings.NewReplacer("{", "", "}", "").Replace(template)
			for _, token := range []string{"", "wrong"} {
				if res, answer := c.send(method, path, "", token); res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s %s with token %q: %d %s", method, path, token, res.StatusCode, answer)
				}
			}
			if res, _ := none.send(method, path, "", adminToken); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s where no token is configured: %d", method, path, res.StatusCode)
			}
			if method == http.MethodGet {
				continue
			}
			if res, answer := c.send(method, path, "", adminToken, "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s from another site: %d %s", method, path, res.StatusCode, answer)
			}
		}
	}
}
