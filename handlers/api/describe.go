package api

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/rules"
)

// tags are the parts of the interface, by the first segment of a path.
func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "calls", Description: "Calls: lists, search, what is stored about one, and why rules did or did not alert."},
		{Name: "stats", Description: "Figures of calls by dimension and time."},
		{Name: "events", Description: "Stored events as they came, normalized."},
		{Name: "incidents", Description: "Incidents, their steps and their calls; what people do to them."},
		{Name: "silences", Description: "What is recorded and not announced."},
		{Name: "rules", Description: "Rules in force, checks of others, and backtests over stored calls."},
		{Name: "deadletters", Description: "Bodies that could not be normalized."},
		{Name: "bodies", Description: "Bodies as they were received or fetched."},
		{Name: "status", Description: "How callwatch itself is, and what providers send."},
		{Name: "store", Description: "What the store takes, retention and backups."},
	}
}

// tagOf is the tag of a path.
func tagOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if first == "providers" || first == "fields" {
		return "status"
	}
	return first
}

// descriptions say what the summaries of operations leave open.
func descriptions() map[string]string {
	return map[string]string{
		"showCall":              "The call is found by its id or one of its further ids. Unknown facts are absent.",
		"explainCall":           "Each rule in force is judged at the last state of the call; windows have the figures of that time.",
		"tryExpression":         "The expression is checked first: what is wrong with it is listed under problems, with the place of each.",
		"showBody":              "The bytes are those that the provider sent. They are never answered as a type that a browser runs.",
		"listDeadLetters":       "Each has the error and the rawId by which its body is shown and replayed.",
		"replayDeadLetters":     "What can be normalized now is published as if it had just come; the rest stays.",
		"listEvents":            "A page may hold fewer events than asked for, and still have a next one: reading stops after a bounded number of events that the filter leaves out.",
		"listIncidents":         "Open incidents are all there; of resolved ones the last of every rule and key. An incident's own address has those before.",
		"showIncident":          "Its transitions are listed from the oldest on. Undelivered lists receivers that do not show its latest change.",
		"acknowledgeIncident":   "The incident stays open; reminders pause. A second request changes nothing.",
		"unacknowledgeIncident": "Reminders go on. A second request changes nothing.",
		"assignIncident":        "Without to, nobody has it any more. The thread of the incident and other receivers are told.",
		"noteIncident":          "The incident keeps its latest 20 notes; each is told in its thread. The same note of the same person again changes nothing.",
		"resolveIncident":       "It is announced as resolved, with who did it.",
		"showRule":              "Counts are since the rule was loaded. Coverage says of how many calls the condition was known.",
		"listRules":             "Each has what it matched, what it could not judge, and what held incidents back.",
		"reloadRules":           "The file is read and checked whole before it is used.",
		"checkRules":            "The body is a rules file as YAML within JSON. Nothing is stored.",
		"backtestRules":         "Stored events are judged again by the rules in force or by a draft, as serve would have done. One at a time.",
		"listSilences":          "Each says until when, by whom and what it matches.",
		"addSilence":            "A silence names an incident, a rule and key, or a condition on incidents. It ends by itself.",
		"expireSilence":         "Incidents that are still open are announced again as they change.",
		"showStatus":            "Streams, backlog, checks, receivers with their last error, the read model, and the version.",
		"listProviders":         "Accepted and refused webhooks, and how fetching does.",
		"listFields":            "Each has its type, unit and meaning.",
		"showStore":             "Bytes are measured now. Days left are at the growth of the last days.",
		"pruneStore":            "With dryRun it only says what would go.",
		"backupStore":           "A zip file of snapshots, made while the store is in use.",
	}
}

// examples of the bodies that operations take.
func examples() map[string]any {
	by := map[string]any{"by": "anna"}
	return map[string]any{
		"acknowledgeIncident": by, "unacknowledgeIncident": by, "resolveIncident": by, "expireSilence": by,
		"assignIncident": map[string]any{"by": "anna", "to": "ben"},
		"noteIncident":   map[string]any{"by": "anna", "text": "the carrier is informed"},
		"tryExpression":  map[string]any{"expr": "mos < 3.5 && packetLossPct > 3"},
		"addSilence":     map[string]any{"by": "anna", "for": "4h", "match": `rule == "bad-call"`, "comment": "known outage"},
		"checkRules":     map[string]any{"rules": "rules:\n  - name: low-mos\n    when: mos < 3.5\n"},
	}
}

// valuesOfParameters are examples by the name of a parameter.
func valuesOfParameters() map[string]any {
	return map[string]any{
		"provider": "example", "callId": "6f1d2c3b-4a5e-4f60-8a7b-000000000051", "id": "inc_3f2a9c1b", "name": "bad-call", "rawId": "raw-70",
		"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z", "severity": string(rules.Critical), "limit": 50, "kind": "ended", "state": "open",
	}
}

// describe completes the document: tags, descriptions, examples, and the problems that
// each operation answers with.
func (s *service) describe() {
	doc := s.huma.OpenAPI()
	doc.Tags = tags()
	said, bodies, values := descriptions(), examples(), valuesOfParameters()
	for path, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			op.Tags = []string{tagOf(path)}
			op.Description = cmp.Or(op.Description, said[op.OperationID], op.Summary+".")
			for _, p := range op.Parameters {
				if p.Example == nil && len(p.Schema.Examples) == 0 {
					p.Example = values[p.Name]
				}
			}
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Content {
					if example, ok := bodies[op.OperationID]; ok {
						media.Example = example
					}
				}
			}
			s.describeProblems(path, op)
		}
	}
}

// operationsOf are the operations of a path.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete}, func(op *huma.Operation) bool { return op == nil })
}

func (s *service) describeProblems(path string, op *huma.Operation) {
	problem := func(status, description string) {
		if op.Responses[status] == nil || op.Responses[status].Content[problemType] == nil {
			op.Responses[status] = &huma.Response{Description: description, Content: map[string]*huma.MediaType{
				problemType: {Schema: s.schema(reflect.TypeFor[ProblemDetails]())},
			}}
		}
	}
	problem("401", "No valid token")
	problem("403", "The token does not open this, or the interface is off")
	if strings.Contains(path, "{") {
		problem("404", "It is not stored, or not any more")
	}
	if op.RequestBody != nil {
		problem("400", "The body cannot be read")
	}
	if op.RequestBody != nil || len(op.Parameters) > 0 {
		problem("422", "What is asked for cannot be: the detail and problems say why")
	}
	if strings.HasPrefix(path, Prefix+"/incidents/{id}/") || strings.HasPrefix(path, "/incidents/{id}/") {
		problem("409", "The incident is resolved already")
	}
}
