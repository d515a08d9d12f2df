package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
)

// Every command that can ask a running callwatch asks the one of CALLWATCH_URL, which
// holds the data directory, and the one of --url before it.
func TestCommandsAskARunningCallwatch(t *testing.T) {
	t.Parallel()
	_, base := running(t, func(cfg *config.Config) {
		cfg.Rules = writeRules(t, "rules: [{name: failed, when: 'status == \"failed\"'}]\n")
	})
	for _, id := range []string{"call_0123456789a1", "call_0123456789a2"} {
		failedCall(t, base, butterToken, id)
	}
	dir := t.TempDir()
	token := "CALLWATCH_ADMIN_TOKEN=" + adminToken
	byURL := []string{token, "CALLWATCH_URL=" + base, "CALLWATCH_DATA_DIR=" + dir + "/none", "CALLWATCH_RULES=" + writeRules(t, "rules: [{name: all, when: provider == \"butter\"}]\n")}
	eventually(t, "both calls are listed", func() bool {
		_, out, _ := command(t, t.Context(), byURL, "calls", "ls")
		return strings.Count(out, "call_0123456789a") == 2
	})
	for _, c := range []struct{ args, says string }{
		{"backtest", "all "},
		{"backtest --baseline RULES -o json", `"caught"`},
		{"backtest --until 2020-01-01", "0 events"},
		{"backtest --fail-if all.matched>5", "2 events of 2 calls"},
		{"rules suggest durationSec --by provider", "durationSec of 2 calls"},
		{"rules suggest durationSec --since 2999-01-01", "durationSec of 0 calls"},
		{"rules explain butter/call_0123456789a1", "failed: MATCHED"},
		{"rules explain call_0123456789a1", "failed: MATCHED"},
		{"rules explain call_0123456789a1 --provider butter --rule failed", "failed: MATCHED"},
		{"rules ls", "failed"},
		{"calls show butter call_0123456789a1", "call_0123456789a1 of butter"},
		{"calls find call_0123456789a2", "call_0123456789a2"},
		{"stats", "butter"},
		{"incidents ls", "failed"},
		{"silence ls", "no silences"},
		{"deadletters ls", "no dead letters"},
		{"store size", "STREAM"},
		{"doctor", "ok       server       " + base + " is ready"},
		{"healthcheck", "ready"},
	} {
		args := strings.Fields(c.args)
		for i := range args {
			if args[i] == "RULES" {
				args[i] = writeRules(t, "rules: [{name: all, when: mos < 3}]\n")
			}
		}
		code, out, errs := command(t, t.Context(), byURL, args...)
		if code != cli.ExitFine || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, does not say %q\n%s%s", c.args, code, c.says, out, errs)
		}
		elsewhere := []string{token, "CALLWATCH_URL=http://127.0.0.1:9", byURL[2], byURL[3]}
		if code, _, errs := command(t, t.Context(), elsewhere, args...); code != cli.ExitRuntime && c.args != "doctor" || !strings.Contains(errs, "cannot be reached at http://127.0.0.1:9: ") && c.args != "doctor" {
			t.Errorf("%s of CALLWATCH_URL: exit %d, %s", c.args, code, errs)
		}
		if code, out, errs := command(t, t.Context(), elsewhere, append(args, "--url", base+"/")...); code != cli.ExitFine || !strings.Contains(out, c.says) {
			t.Errorf("%s --url: exit %d\n%s%s", c.args, code, out, errs)
		}
	}

	// A flag that names a store or a file goes over the variable.
	for _, c := range []struct{ args, says string }{
		{"backtest --data-dir " + dir + "/none", "no stored events"},
		{"rules suggest mos --data-dir " + dir + "/none", "no stored events"},
		{"calls ls --data-dir " + dir + "/none", "there is no store"},
		{"backtest --events " + dir + "/none.ndjson", "none.ndjson"},
		{"backtest --url " + base + " --events x.ndjson", "--url: events come from"},
		{"rules explain call_0123456789a1 --rules RULES", "by the rules in force there"},
		{"rules explain call_0123456789ff", "neither a file nor a call that " + base},
		{"rules suggest moss", "did you mean mos"},
		{"events tail --kind end", "none of progress, stats, ended, report"},
		{"events tail --provider telnix", "did you mean telnyx?"},
		{"calls ls --url localhost:8080", "not scheme and host"},
	} {
		if code, out, errs := command(t, t.Context(), byURL, strings.Fields(c.args)...); code == cli.ExitFine || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, does not say %q\n%s%s", c.args, code, c.says, out, errs)
		}
	}
	if code, _, errs := command(t, t.Context(), []string{"CALLWATCH_URL=nowhere"}, "calls", "ls"); code != cli.ExitUsage || !strings.Contains(errs, `CALLWATCH_URL: "nowhere" is not scheme and host`) {
		t.Errorf("exit %d, %s", code, errs)
	}
	if code, _, errs := command(t, t.Context(), byURL[1:], "calls", "ls"); code != cli.ExitUsage || !strings.Contains(errs, "CALLWATCH_ADMIN_TOKEN") {
		t.Errorf("without a token: exit %d, %s", code, errs)
	}

	// A tail begins with what is stored and goes on with what comes.
	tailing, enough := context.WithTimeout(t.Context(), 20*time.Second)
	defer enough()
	lines, writing := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(tailing, []string{"events", "tail", "-n", "1", "-o", "ndjson"}, byURL, nil, writing, io.Discard)
		_ = writing.Close()
	}()
	scan := bufio.NewScanner(lines)
	if !scan.Scan() || !strings.Contains(scan.Text(), `"callId":"call_0123456789a2"`) {
		t.Errorf("tail begins with %q", scan.Text())
	}
	failedCall(t, base, butterToken, "call_0123456789a3")
	if !scan.Scan() || !strings.Contains(scan.Text(), `"callId":"call_0123456789a3"`) {
		t.Errorf("tail goes on with %q", scan.Text())
	}
	enough()
	_ = lines.Close()
	if code := <-ended; code != cli.ExitFine {
		t.Errorf("tail: exit %d", code)
	}
}

// A command on the data directory of a running callwatch asks it, or says how to.
func TestCommandsOnAHeldDataDirectory(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	a, base := running(t, func(cfg *config.Config) { cfg.Listen = address })
	failedCall(t, base, butterToken, "call_0123456789a1")
	environ := []string{"CALLWATCH_ADMIN_TOKEN=" + adminToken, "CALLWATCH_DATA_DIR=" + a.cfg.DataDir, "CALLWATCH_LISTEN=" + address}
	for _, args := range [][]string{{"rules", "suggest", "durationSec"}, {"backtest"}, {"calls", "ls"}, {"rules", "explain", "butter/call_0123456789a1"}} {
		if code, out, errs := command(t, t.Context(), environ, args...); code != cli.ExitFine {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
		elsewhere := append(environ[:2:2], "CALLWATCH_LISTEN=127.0.0.1:9")
		if code, _, errs := command(t, t.Context(), elsewhere, args...); code != cli.ExitRuntime || !strings.Contains(errs, "a callwatch runs on "+a.cfg.DataDir+", but cannot be reached at http://127.0.0.1:9") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

// simulate says what answers mean.
func TestSimulateSaysWhatAnswersMean(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		401: "atoms webhooks answered 401: the signature was refused; set the same secret",
		403: "answered 403: the provider is off at the receiver; set CALLWATCH_ATOMS_SIGNING_SECRET or CALLWATCH_ATOMS_URL_TOKEN there",
		404: "answered 404: nothing takes webhooks there",
		308: "answered 308: the receiver redirects",
		429: "answered 429: the receiver is overloaded",
		500: "answered 500: the receiver failed",
		503: "answered 503: the receiver could not store it",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			code, out, errs := command(t, t.Context(), nil, "simulate", "--unsigned", "--count", "2", "--rate", "100", "--provider", "atoms", "--seed", "1", "--url", server.URL)
			if code != cli.ExitProblems || !strings.Contains(errs, want) || !strings.Contains(out, "answered") {
				t.Errorf("exit %d, does not say %q\n%s%s", code, want, out, errs)
			}
		})
	}
	begun := time.Now()
	code, _, errs := command(t, t.Context(), nil, "simulate", "--unsigned", "--url", "http://127.0.0.1:9")
	if code != cli.ExitRuntime || !strings.Contains(errs, "callwatch cannot be reached at http://127.0.0.1:9") || time.Since(begun) > 5*time.Second {
		t.Errorf("exit %d after %s, %s", code, time.Since(begun), errs)
	}
}

func TestNothingIsMadeByAsking(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"backtest"}, {"calls", "ls"}, {"rules", "suggest", "mos"}, {"rules", "explain", "x"}} {
		if code, _, errs := command(t, t.Context(), []string{"CALLWATCH_DATA_DIR=" + dir}, args...); code != cli.ExitUsage || !strings.Contains(errs, "--url") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a data directory was made")
	}
}
