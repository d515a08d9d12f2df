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
