package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/casefile"
)

// Every operation of the API is behind the token, and so are the routes that the
// document does not have.
func TestEveryOperationNeedsTheToken(t *testing.T) {
	t.Parallel()
	_, base := running(t, func(c *config.Config) { c.Rules = "../../rules.yaml" })
	_, data := requestOf(t, base, casefile.Request{Method: http.MethodGet, Path: "/api/v1/openapi.json", Headers: map[string]string{"Authorization": "Bearer " + adminToken}})
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	operations := [][2]string{{"GET", "/api/v1/openapi.json"}, {"GET", "/api/v1/openapi.yaml"}, {"POST", "/api/v1/work/erase"}, {"GET", "/debug/pprof/"}, {"GET", "/debug/pprof/heap"}}
	for path, methods := range document.Paths {
		for method := range methods {
			operations = append(operations, [2]string{strings.ToUpper(method), "/api/v1" + strings.NewReplacer("{", "", "}", "").Replace(path)})
		}
	}
	if len(operations) < 20 {
		t.Fatalf("only %d operations: %q", len(operations), operations)
	}
	for _, o := range operations {
		for name, header := range map[string]string{"none": "", "wrong": "Bearer x" + adminToken} {
			res, body := requestOf(t, base, casefile.Request{Method: o[0], Path: o[1], Headers: map[string]string{"Authorization": header}})
			if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s, token %s: %d %s", o[0], o[1], name, res.StatusCode, body)
			}
		}
	}
}
