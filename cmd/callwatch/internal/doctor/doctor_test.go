package doctor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer/registry"
)

// TestDoctorLooksAtAddresses: what answers at the public address, outputs that are away,
// and tokens that anybody can guess are told.
func TestDoctorLooksAtAddresses(t *testing.T) {
	t.Parallel()
	callwatch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			_, _ = io.WriteString(w, `{"status":"live"}`)
		}
	}))
	t.Cleanup(callwatch.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	cfg := config.Default(registry.Providers())
	cfg.PublicURL, cfg.ConsoleURL, cfg.AdminToken = callwatch.URL, other.URL, "short"
	cfg.Outputs = map[string]config.Output{
		"there": {Webhook: config.Secret(other.URL + "/hook?token=s3cret")}, "away": {Webhook: "http://127.0.0.1:1/s3cret"}, "am": {Alertmanager: config.Secret(other.URL)},
	}
	var said strings.Builder
	for _, f := range append(append(diagnoseAddress(t.Context(), &cfg), diagnoseReceivers(t.Context(), &cfg)...), diagnoseAccess(&cfg)) {
		said.WriteString(f.State + " " + f.Check + " " + f.Text + "\n")
	}
	for _, want := range []string{
		"ok address CALLWATCH_PUBLIC_URL leads to callwatch", "problem address CALLWATCH_CONSOLE_URL: something else",
		"problem outputs am answers with status 404", "problem outputs away cannot be reached", "ok outputs there is reached", "problem access CALLWATCH_ADMIN_TOKEN: the token has 5",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("not said: %s\n%s", want, said.String())
		}
	}
	if strings.Contains(said.String(), "s3cret") {
		t.Errorf("a secret is shown:\n%s", said.String())
	}
}

// TestDoctorAsksTheIncomingWebhook: Slack refuses a message without text; whatever else
// answers is told, and the secret address is not.
func TestDoctorAsksTheIncomingWebhook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status       int
		kind, answer string
		want         string
	}{
		{400, "text/plain", "no_text", ""},
		{400, "text/plain", "invalid_payload", ""},
		{200, "text/plain", "ok", ""},
		{200, "text/html", "<html>log in</html>", "a proxy or login page is between"},
		{200, "application/json", "{}", `answered 200 with {} instead of "ok"`},
		{302, "text/html", "<html>log in</html>", "answered 302"},
		{400, "text/html", "<html>bad request</html>", "answered 400"},
		{404, "text/plain", "no_service", "answered 404: no_service"},
		{410, "text/plain", "channel_is_archived", "channel_is_archived"},
	} {
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		cfg := config.Default(registry.Providers())
		cfg.Slack.WebhookURL = config.Secret(hook.URL + "/s3cret")
		var said strings.Builder
		for _, f := range diagnoseSlack(t.Context(), cfg) {
			said.WriteString(f.State + " " + f.Check + " " + f.Text + "\n")
		}
		hook.Close()
		if problem := strings.Contains(said.String(), stateProblem); problem != (c.want != "") || !strings.Contains(said.String(), c.want) || strings.Contains(said.String(), "s3cret") {
			t.Errorf("%d %s: said %s, want %q", c.status, c.answer, said.String(), c.want)
		}
	}
}

func TestSizeFinding(t *testing.T) {
	t.Parallel()
	days := 2.25
	for want, u := range map[string]backend.StoreUsage{
		stateOK:      {Bytes: 1500, Limit: 20e9},
		stateWarning: {Bytes: 1e6, Limit: 4e6, GrowthPerDay: 2e6, DaysLeft: &days},
	} {
		if f := sizeFinding(&u); f.State != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	if f := sizeFinding(&backend.StoreUsage{Bytes: 1e6, Limit: 4e6, Short: map[string]int64{"raw": 3600}}); f.State != stateWarning {
		t.Errorf("kept less than configured: %+v", f)
	}
}
