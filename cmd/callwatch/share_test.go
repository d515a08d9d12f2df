package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/rules"
)

// shareRules are as the shipped ones, but for times: connection 7 has bad calls,
// connection 8 unanswered ones.
const shareRules = `rules:
  - name: provider-quality
    summary: "{{pct .Value}} of the calls on {{.By.connectionId}} are poor"
    where: connectionId == "7" && durationSec >= 10
    by: [provider, connectionId]
    over: 15m
    settle: 0s
    min_calls: 450
    when: rate(mos < 3.5 || packetLossPct > 10 || rttMs > 500 || jitterMs > 30) > 0.10
    route: {slack: "#voice", outputs: [ops]}
  - name: asr-low
    summary: "only {{pct .Value}} of the calls on {{.By.connectionId}} are answered"
    where: connectionId == "8"
    by: [provider, connectionId]
    over: 15m
    settle: 0s
    min_calls: 450
    when: rate(answered) < 0.8
    severity: critical
    route: {slack: "#voice", outputs: [ops]}
`

// shareCall posts the webhooks of one of five hundred calls of a connection: of
// connection 7 twelve of a hundred have a bad MOS, the others a good one, and nothing
// else is known; of connection 8 thirty of a hundred are not answered.
func shareCall(t *testing.T, base, connection string, n int) {
	t.Helper()
	cause, stats := "normal_clearing", "null"
	switch {
	case connection == "8" && n%10 < 3:
		cause = "no_answer"
	case connection == "7":
		mos := "4.40"
		if k := n % 25; k == 3 || k == 11 || k == 19 {
			mos = "2.10"
		}
		stats = fmt.Sprintf(`{"inbound":{"mos":%q,"packet_count":"3000","skip_packet_count":"0","jitter_packet_count":"0"}}`, mos)
	}
	at := time.Now().UTC().Add(-time.Minute)
	start, end := at.Add(-time.Minute).Format(time.RFC3339), at.Format(time.RFC3339)
	send := func(kind, at, more string) {
		body := fmt.Sprintf(`{"data":{"record_type":"event","event_type":"call.%[1]s","id":"%[1]s-%[2]s-%[3]d","occurred_at":%[4]q,"payload":{
			"call_control_id":"control-%[2]s-%[3]d","call_leg_id":"leg-%[2]s-%[3]d","call_session_id":"session-%[2]s-%[3]d","connection_id":%[2]q,
			"from":"+14155550100","to":"+14155550199","start_time":%[5]q%[6]s}}}`, kind, connection, n, at, start, more)
		posted(t, base+"/webhooks/telnyx", body)
	}
	if cause == "normal_clearing" {
		send("answered", start, "")
	}
	send("hangup", end, fmt.Sprintf(`,"end_time":%q,"hangup_cause":%q,"call_quality_stats":%s`, end, cause, stats))
}

// TestASharesTruth: of calls that are known in part, Slack, the webhook output, the
// console and the API say the same share, with the same calls as evidence.
func TestASharesTruth(t *testing.T) {
	long(t)
	t.Parallel()
	slack, slackURL := fakeSlackServer(t, "#voice")
	var mu sync.Mutex
	pushed := map[string]rules.Incident{} // by rule
	output := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Data rules.Transition }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		pushed[m.Data.Incident.Rule] = m.Data.Incident
	}))
	t.Cleanup(output.Close)
	_, base := inDevelopment(t, slog.New(slog.DiscardHandler), func(c *config.Config) {
		c.Rules = writeRules(t, shareRules)
		c.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 100}
		c.Outputs = map[string]config.Output{"ops": {Webhook: config.Secret(output.URL)}}
	})
	get := func(path string) string {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %.300s", path, res.StatusCode, b)
		}
		return string(b)
	}
	read := func(path string, into any) {
		if err := json.Unmarshal([]byte(get(path)), into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var sending sync.WaitGroup
	for _, connection := range []string{"7", "8"} {
		sending.Go(func() {
			for n := range 500 {
				shareCall(t, base, connection, n)
			}
		})
	}
	sending.Wait()
	eventually(t, "both are announced", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(slack.Threads()) == 2 && len(pushed) == 2
	})
	var status struct {
		ReadModel struct{ Behind int }
		Judged    struct{ Calls int }
	}
	eventually(t, "the read model has all", func() bool {
		read("/api/v1/status", &status)
		return status.ReadModel.Behind == 0 && status.Judged.Calls == 1000
	})
	evidence := map[string]struct {
		summary string
		calls   int
		is      func(*call.Event) bool
	}{
		"provider-quality": {"12 % or more of the calls on 7 are poor", 60, func(e *call.Event) bool { return e.MOS != nil && *e.MOS < 3.5 }},
		"asr-low":          {"only 70 % of the calls on 8 are answered", 150, func(e *call.Event) bool { return e.Answered != nil && !*e.Answered }},
	}
	// An incident may be updated while it is read: API, page and output of one moment.
	var found []rules.Incident
	pages, sent := map[string]string{}, map[string]rules.Incident{}
	within(t, 2*time.Minute, "all say what the incidents are now", func() bool {
		found = listed(t, base)
		for i := range found {
			pages[found[i].ID] = html.UnescapeString(get("/incidents/" + found[i].ID))
		}
		mu.Lock()
		maps.Copy(sent, pushed)
		mu.Unlock()
		return slices.EqualFunc(found, listed(t, base), func(a, b rules.Incident) bool {
			return a.UpdatedAt.Equal(b.UpdatedAt) && sent[a.Rule].UpdatedAt.Equal(a.UpdatedAt)
		})
	})
	for _, in := range found {
		want := evidence[in.Rule]
		delete(evidence, in.Rule)
		if in.Summary != want.summary {
			t.Errorf("%s: summary %q, want %q", in.Rule, in.Summary, want.summary)
		}
		if got := sent[in.Rule]; got.Summary != in.Summary || got.Counts != in.Counts || got.Values.LatestText() != in.Values.LatestText() {
			t.Errorf("%s: the output got %q %+v, API %q %+v", in.Rule, got.Summary, got.Counts, in.Summary, in.Counts)
		}
		root := ""
		within(t, 2*time.Minute, "Slack shows what "+in.Rule+" is now", func() bool { // a new figure alone is shown some time later
			for _, thread := range slack.Threads() {
				if thread.Root.Metadata.EventPayload["incident"] == in.ID {
					root = thread.Root.Shown
				}
			}
			return strings.Contains(root, in.Summary)
		})
		share := regexp.MustCompile(`[0-9.]+ %( or more)?`).FindString(in.Summary)
		if regexp.MustCompile(`\b100 %`).MatchString(root) {
			t.Errorf("%s: Slack shows\n%s", in.Rule, root)
		}
		page := pages[in.ID]
		for _, text := range []string{
			in.Summary, share, in.Values.LatestText(), in.Values.OpeningText(),
			fmt.Sprintf("%d matched of %d measured", in.Counts.Matched, in.Values.Measured),
			fmt.Sprintf("%d calls of the incident beside ", want.calls),
		} {
			if !strings.Contains(page, text) {
				t.Errorf("%s: the page does not say %q:\n%s", in.Rule, text, page)
			}
		}
		if len(in.Samples) == 0 {
			t.Errorf("%s has no samples", in.Rule)
		}
		for i := range in.Samples {
			e := &in.Samples[i].Call
			if !want.is(e) {
				t.Errorf("%s shows as evidence %s: MOS %v, answered %v", in.Rule, e.CallID, e.MOS, e.Answered)
			}
			link := "/calls/telnyx/" + e.CallID
			if !strings.Contains(page, `href="`+link+`"`) {
				t.Errorf("%s: no link to %s", in.Rule, link)
			}
			get(link)
		}
		calls, next := 0, ""
		for {
			var list struct {
				Calls []struct{ Call call.Event }
				Next  string
			}
			read("/api/v1/incidents/"+in.ID+"/calls?limit=100&cursor="+next, &list)
			for i := range list.Calls {
				if calls++; !want.is(&list.Calls[i].Call) {
					t.Errorf("%s lists %s", in.Rule, list.Calls[i].Call.CallID)
				}
			}
			if next = list.Next; next == "" {
				break
			}
		}
		if calls != want.calls {
			t.Errorf("%s lists %d calls, want %d", in.Rule, calls, want.calls)
		}
		if all := get("/calls?incident=" + in.ID); !strings.Contains(all, "leg-") {
			t.Errorf("%s: the page of its calls has none", in.Rule)
		}
	}
	if len(evidence) > 0 {
		t.Errorf("no incident of %v", evidence)
	}
}
