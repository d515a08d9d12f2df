package handlers_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"callwatch/handlers"
)

// openAPI is the part of the document that is looked at.
type openAPI struct {
	OpenAPI string
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]struct {
		OperationID, Summary, Description string
		Tags                              []string
		Parameters                        []struct {
			Name, In, Description string
			Example               any
			Schema                struct{ Examples []any }
		}
		RequestBody *struct {
			Content map[string]struct {
				Example any
				Schema  any
			}
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema any }
		}
	}
}

// Every operation is described: a tag that the document explains, a summary and a
// description, examples of what is needed to call it, and the problems it answers with.
func TestDocumentIsComplete(t *testing.T) {
	base := serve(t, handlers.Config{Dev: true, API: newOffice(t).api()})
	got := send(t, "GET", base+"/api/v1/openapi.json", "", nil)
	var doc openAPI
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(doc.OpenAPI, err)
	}
	explained, used := map[string]bool{}, map[string]bool{}
	for _, tag := range doc.Tags {
		explained[tag.Name] = len(tag.Description) > 20
	}
	operations := 0
	for path, item := range doc.Paths {
		for method, op := range item {
			operations++
			wrong := func(what string, args ...any) { t.Errorf("%s %s: "+what, append([]any{method, path}, args...)...) }
			if len(op.Tags) != 1 || !explained[op.Tags[0]] {
				wrong("tags %v", op.Tags)
			} else {
				used[op.Tags[0]] = true
			}
			if op.OperationID == "" || op.Summary == "" || len(op.Description) < 20 {
				wrong("id %q, summary %q, description %q", op.OperationID, op.Summary, op.Description)
			}
			for _, p := range op.Parameters {
				if p.In == "path" && p.Example == nil && len(p.Schema.Examples) == 0 {
					wrong("parameter %s has no example", p.Name)
				}
			}
			want := []string{"401", "403"}
			if strings.Contains(path, "{") {
				want = append(want, "404")
			}
			if op.RequestBody != nil {
				want = append(want, "400", "422")
			}
			for _, status := range want {
				if r := op.Responses[status]; r.Description == "" || r.Content["application/problem+json"].Schema == nil {
					wrong("no answer %s: it has %v", status, slices.Sorted(maps.Keys(op.Responses)))
				}
			}
		}
	}
	if operations < 25 {
		t.Errorf("%d operations", operations)
	}
	for tag := range explained {
		if !used[tag] {
			t.Errorf("no operation has the tag %s", tag)
		}
	}
}
