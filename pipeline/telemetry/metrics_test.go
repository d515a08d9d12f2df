package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"callwatch/stream"
)

// Accounts have series of their own from the start. What is not in the settings, such as
// an account of stored bodies that was removed, shares one; the provider's own settings
// have no label, as before there were accounts.
func TestAccountsAreALabel(t *testing.T) {
	t.Parallel()
	m := New()
	m.Expect(Expected{
		Sources: []Source{{"telnyx", ""}, {"telnyx", "sales"}, {"bird", ""}}, Fetching: []Source{{"telnyx", "sales"}},
		Outcomes: []string{"accepted"}, Fetched: []string{"done"},
	})
	m.Webhook(Webhook{Provider: "telnyx", Account: "sales", Outcome: "accepted", Accepted: true})
	m.Webhook(Webhook{Provider: "unknown", Outcome: "accepted"})
	for _, account := range []string{"gone", "long-gone", "sales"} {
		m.Normalized(&stream.Record{Provider: "telnyx", Account: account}, 0, http.ErrBodyNotAllowed)
		m.Late("telnyx", account)
		m.Replayed("telnyx", account)
	}
	m.Normalized(&stream.Record{Provider: "bird", Account: "sales"}, 0, nil)
	m.Fetched("telnyx", "sales", "done")
	m.Swept("telnyx", "sales", "ok", 3)
	m.GivenUp("telnyx", "sales")

	got := httptest.NewRecorder()
	promhttp.HandlerFor(withoutEmpty(m.registry), promhttp.HandlerOpts{}).ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`callwatch_webhooks_total{outcome="accepted",provider="telnyx"} 0`,
		`callwatch_webhooks_total{account="sales",outcome="accepted",provider="telnyx"} 1`,
		`callwatch_webhooks_total{outcome="accepted",provider="unknown"} 1`,
		`callwatch_webhook_duration_seconds_count{account="sales",provider="telnyx"} 1`,
		`callwatch_dead_letters_total{provider="telnyx"} 0`,
		`callwatch_dead_letters_total{account="sales",provider="telnyx"} 1`,
		`callwatch_dead_letters_total{account="unknown",provider="telnyx"} 2`,
		`callwatch_webhooks_erased_total{account="unknown",provider="telnyx"} 2`,
		`callwatch_webhooks_replayed_total{account="sales",provider="telnyx"} 1`,
		`callwatch_webhooks_ignored_total{account="unknown",provider="bird"} 1`,
		`callwatch_fetches_total{account="sales",outcome="done",provider="telnyx"} 1`,
		`callwatch_fetches_given_up_total{account="sales",provider="telnyx"} 1`,
		`callwatch_sweeps_total{account="sales",outcome="failed",provider="telnyx"} 0`,
		`callwatch_sweep_found_total{account="sales",provider="telnyx"} 3`,
	} {
		if !strings.Contains(got.Body.String(), "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	for _, wrong := range []string{`account=""`, "gone"} {
		if strings.Contains(got.Body.String(), wrong) {
			t.Errorf("there is %s in\n%s", wrong, got.Body)
		}
	}
	if families, err := m.registry.Gather(); err != nil || len(families) == 0 {
		t.Fatal(err)
	}
}
