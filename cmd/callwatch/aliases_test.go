package main

import (
	"net/http"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/casefile"
)

// The callbacks of one call that name it by different ids are one call across
// restarts, and each of its ids finds it.
func TestAliasesSurviveRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var s casefile.Sequence
	for _, c := range casefile.Sequences(t, "../../normalizer/telnyx/testdata/cases") {
		if c.Name == "texml_beside_voice_api" {
			s = c
		}
	}
	if len(s.Bodies) < 6 {
		t.Fatalf("%d bodies", len(s.Bodies))
	}
	for i := range s.Bodies {
		t.Run(s.Steps[i].File, func(t *testing.T) {
			_, base := inDevelopment(t, testLogger(t), func(c *config.Config) { c.DataDir, c.Rules = dir, "../../rules.yaml" })
			res, answer := requestOf(t, base, casefile.Request{
				Method: http.MethodPost, Path: "/webhooks/telnyx", Body: string(s.Bodies[i].Bytes),
				Headers: withType(nil, s.Bodies[i].ContentType),
			})
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, answer)
			}
			idle(t, base)
			if i < len(s.Bodies)-1 {
				return
			}
			checkSequenceCall(t, base, &s, &s.Calls[0])
			for _, id := range s.Calls[0].AnyOf {
				if res, body := requestOf(t, base, casefile.Request{Method: http.MethodGet, Path: "/api/v1/calls/telnyx/" + id}); res.StatusCode != http.StatusOK {
					t.Errorf("%s is not found: %d %s", id, res.StatusCode, body)
				}
			}
		})
	}
}
