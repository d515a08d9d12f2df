package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
)

// states are the incidents of a callwatch with what the rules know of them, by id.
func states(t *testing.T, p *process) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, in := range answerOf[[]rules.Incident](t, backupEnv, nil, "incidents", "ls", "--state", "all", "--url", p.base) {
		out[in.ID] = fmt.Sprint(in.Rule, in.By, in.State, in.Severity, in.Counts, in.OpenedAt)
	}
	return out
}

var backupEnv = []string{"CALLWATCH_ADMIN_TOKEN=token-of-the-backup-test"}

// A backup that is made under load, restored after kill -9 and the loss of the disk:
// the same calls and incidents, and nothing is announced twice.
func TestBackupAndRestore(t *testing.T) {
	long(t)
	t.Parallel()
	secrets := testSecrets(t)
	requests := traffic(t, secrets, 60)
	slack, slackURL := fakeSlackServer(t)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.zip")
	rulesFile := writeRules(t, badCallRule)
	p := start(t, dir, rulesFile, slackURL, secrets, backupEnv...)
	p.send(slices.Values(requests))
	p.settled()
	threads := rootsByIncident(slack)
	if len(threads) < 5 {
		t.Fatalf("only %d incidents in the traffic", len(threads))
	}

	good := findRequest(t, requests, "bird", "MessageBird-Signature")
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			r := good
			r.Body = fmt.Appendf(nil, `{"event":"voice.outbound","service":"channels","payload":{"id":"good-%d","channelId":"c1","status":"completed","direction":"outgoing","duration":40,"mediaMetrics":{"mos":4.2,"inMediaPacketCount":2000}}}`, i)
			p.send(slices.Values([]simulate.Request{r}))
		}
	})
	code, out, errs := command(t, t.Context(), backupEnv, "store", "backup", file, "--url", p.base)
	stop()
	load.Wait()
	if code != cli.ExitFine || !strings.Contains(out, "streams are in ") {
		t.Fatalf("backup: exit %d, %s%s", code, out, errs)
	}
	p.settled()
	want := states(t, p)
	p.kill()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	again := filepath.Join(t.TempDir(), "again")
	if code, out, errs := command(t, t.Context(), nil, "store", "restore", file, "--data-dir", again); code != cli.ExitFine {
		t.Fatalf("restore: exit %d, %s%s", code, out, errs)
	}
	if code, _, errs := command(t, t.Context(), nil, "store", "restore", file, "--data-dir", again); code != cli.ExitProblems || !strings.Contains(errs, "only where there is no store") {
		t.Errorf("restore over a store: exit %d, %s", code, errs)
	}
	p = start(t, again, rulesFile, slackURL, secrets, backupEnv...)
	p.settled()
	if got := states(t, p); !maps.Equal(got, want) {
		t.Errorf("incidents after the restore\n%v\nwant\n%v", got, want)
	}
	p.send(slices.Values(requests)) // providers send again what they think was lost
	p.settled()
	if got := rootsByIncident(slack); !maps.Equal(got, threads) {
		t.Errorf("threads by incident after the restore %v, want %v", got, threads)
	}
}
