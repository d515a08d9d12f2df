package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer"
	"callwatch/notifier/slackfake"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/stage"
)

// Every replica of a cluster says that alerts do not arrive, and for which incident, and a
// call that is erased through the one that judges is gone from all, and stays so.
func TestClusterShowsTroubleAndErases(t *testing.T) {
	long(t)
	t.Parallel()
	slack, slackURL := fakeSlackServer(t, "#voice")
	var away atomic.Bool
	away.Store(true)
	slack.SetFault(func(slackfake.Call) slackfake.Fault {
		if away.Load() {
			return slackfake.Fault{Status: http.StatusServiceUnavailable}
		}
		return slackfake.Fault{}
	})
	secrets := testSecrets(t)
	token := secrets.Receive["butter"][normalizer.URLToken][0]
	f := startFleet(t, slackURL, secrets, 2)
	if err := os.WriteFile(f.rules, []byte(failedRule), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // with these rules
		f.stop(i)
		f.start(i)
	}
	read := func(i int, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.replica(i).base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+adminToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	failedCall(t, f.replica(0).base, token, "call_1")
	failedCall(t, f.replica(1).base, token, "call_2")
	var incident string
	eventually(t, "an incident is open", func() bool {
		open, err := listIncidents(t.Context(), &cli.Remote{URL: f.replica(0).base, Token: adminToken}, "open")
		if err != nil || len(open) == 0 {
			return false
		}
		incident = open[0].ID
		return true
	})
	for i := range 2 {
		for path, want := range map[string]string{
			"/readyz?verbose": "#voice does not accept messages: ", "/api/v1/status": `"degraded":true`,
			"/api/v1/incidents/" + incident: `"undelivered":[{"receiver":"#voice"`,
		} {
			eventually(t, "a replica shows the trouble at "+path, func() bool {
				_, body := read(i, path)
				return strings.Contains(body, want)
			})
		}
	}
	away.Store(false)
	for i := range 2 {
		within(t, 2*time.Minute, "a replica shows the end of the trouble", func() bool {
			_, body := read(i, "/readyz?verbose")
			return !strings.Contains(body, "does not accept messages")
		})
	}

	holder := f.holder(stage.JudgeLease, 0, 1)
	calls := []string{"call_1", "call_2"}
	env := []string{"CALLWATCH_ADMIN_TOKEN=" + adminToken}
	for _, call := range calls {
		eventually(t, "the call is there", func() bool { status, _ := read(0, "/api/v1/calls/butter/"+call); return status == http.StatusOK })
		command := []string{"calls", "erase", "butter", call, "--url"}
		if _, stderr, code := says(t, env, nil, append(command, f.replica(1-holder).base)...); code == cli.ExitFine || !strings.Contains(stderr, `callwatch_stage_held{stage="judge"} is 1`) {
			t.Errorf("through a replica that does not judge: exit %d, %s", code, stderr)
		}
		done := answerOf[maintenance.Erased](t, env, nil, append(command, f.replica(holder).base)...)
		if done.Bodies != 1 || done.Events != 1 {
			t.Errorf("erased: %+v", done)
		}
		failedCall(t, f.replica(1-holder).base, token, call) // late
	}
	f.settled(0, 1)
	for i := range 2 {
		for _, call := range calls {
			eventually(t, "the call is gone", func() bool { status, _ := read(i, "/api/v1/calls/butter/"+call); return status == http.StatusNotFound })
		}
		f.stop(i)
		f.start(i)
		for _, call := range calls {
			eventually(t, "the call is still gone after a start", func() bool { status, _ := read(i, "/api/v1/calls/butter/"+call); return status == http.StatusNotFound })
		}
	}
}
