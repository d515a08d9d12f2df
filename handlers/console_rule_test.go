package handlers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/api"
)

// A rule over windows shows each key beside its limit, on its page and in the API: the one
// that fires, one that is quiet and one with too few calls.
func TestRuleShowsEachKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	n, begun := 0, time.Now().Add(-10*time.Minute)
	calls := func(region string, bad, good int) {
		for i := range bad + good {
			mos := 4.2
			if i < bad {
				mos = 2.9
			}
			n++
			e := event(n, "telnyx", &mos, call.FromProvider)
			e.Region, e.Final = region, true
			o.addAt(begun.Add(time.Duration(n)*8*time.Second), e)
		}
	}
	calls("eu-west", 10, 15)
	calls("us-east", 1, 49)
	calls("ap-south", 1, 2)
	base := serve(t, handlers.Config{Dev: true, API: o.api()})
	get := func(path string) []byte {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
		}
		return b
	}
	var shown api.RuleDetail
	if b := get("/api/v1/rules/share"); json.Unmarshal(b, &shown) != nil {
		t.Fatalf("%.300s", b)
	}
	if len(shown.Keys) != 3 || shown.Keys[0].By[0].Value != "eu-west" || shown.Keys[0].Incident == "" || shown.Keys[1].Values.Latest != 0.02 || shown.Keys[2].TooFew == nil || *shown.Keys[2].TooFew != 3 {
		t.Errorf("keys %+v", shown.Keys)
	}
	_, page, _ := strings.Cut(string(get("/rules/share")), "Each key now")
	page, _, _ = strings.Cut(page, "</section>")
	if _, row, _ := strings.Cut(page, "us-east"); !strings.Contains(row[:max(0, strings.Index(row, "</tr>"))], `<svg class="sparkline"`) {
		t.Errorf("the quiet key has no sparkline:\n%s", page)
	}
	for _, want := range []string{`<a href="/incidents/` + shown.Keys[0].Incident, "40 % (10 of 25 measured)", "10 %", "us-east", "quiet", "2 % (1 of 50 measured)", "3 measured, too few"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q:\n%s", want, page)
		}
	}
}
