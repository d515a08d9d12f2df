package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
)

// hostileRules are rules files that cost much to read, each refused or bounded.
func hostileRules() []string {
	macros := "define:\n  m0: mos < 3\n"
	for i := 1; i < 40; i++ {
		macros += fmt.Sprintf("  m%d: m%d or m%[2]d\n", i, i-1)
	}
	var many strings.Builder
	many.WriteString("rules:\n")
	for i := range 100_000 {
		fmt.Fprintf(&many, "  - {name: a%d, when: mos < 3}\n", i)
	}
	const rule = "rules:\n  - name: a\n    when: mos < 3\n"
	loops := strings.Repeat(`{{range "12345678"}}`, 4) + "{{.}}" + strings.Repeat("{{end}}", 4)
	return []string{
		macros + "rules: [{name: a, when: m39}]",
		rule + "    labels: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		rule + "    owner: " + strings.Repeat("!x ", 10_000),
		many.String(),
		rule + "    summary: '" + strings.Repeat(`{{printf "%[1]s%[1]s%[1]s%[1]s" (`, 8) + `"x"` + strings.Repeat(")}}", 8) + "'\n",
		rule + "    summary: '" + loops + "'\n",
		"lists: {l: [" + strings.Repeat("a,", 200_000) + "b]}\n" + rule,
	}
}

// Hostile drafts through API and console and hostile files through reload leave
// webhooks, readiness and the rules in force as they are.
func TestHostileRulesBesideWebhooks(t *testing.T) {
	long(t)
	path := writeRules(t, failedRule)
	a, base := inDevelopment(t, testLogger(t), func(c *config.Config) { c.Rules = path })
	failedCall(t, base, "", "call_first")
	eventually(t, "the first incident is open", func() bool { return len(listed(t, base)) == 1 })
	digest := a.judge.Rules().Digest

	client := &http.Client{Timeout: time.Minute}
	asked := func(path, contentType, body string) int {
		res, err := client.Post(base+path, contentType, strings.NewReader(body))
		if err != nil {
			return 0
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	encoded := func(name, text string) string {
		b, err := json.Marshal(map[string]string{name: text})
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	files := hostileRules()
	expr := strings.Repeat("(", 90_000) + "mos < 3" + strings.Repeat(")", 90_000)
	form := "application/x-www-form-urlencoded"
	// Made before the clients run: what they send is the server's work, not theirs.
	try, checkForm := encoded("expr", expr), url.Values{"expr": {expr}, "call": {"butter/call_first"}}.Encode()
	drafts, forms := make([]string, len(files)), make([]string, len(files))
	for i, src := range files {
		drafts[i] = encoded("rules", src)
		forms[i] = url.Values{"whole": {src[:min(len(src), 300_000)]}}.Encode()
	}
	var busy, refused, failed atomic.Int64
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			for i := range 14 {
				file := (n + i) % len(files)
				var status int
				switch (n + i) % 7 {
				case 0, 1:
					status = asked("/api/v1/rules/check", "application/json", drafts[file])
				case 2:
					status = asked("/api/v1/calls/butter/call_first/try", "application/json", try)
				case 3:
					status = asked("/api/v1/rules/backtest", "application/json", drafts[file])
				case 4:
					status = asked("/rules/check", form, checkForm)
				case 5:
					status = asked("/rules/backtest", form, forms[file])
				default:
					if err := os.WriteFile(path, []byte(files[file]), 0o600); err != nil {
						t.Error(err)
					}
					status = asked("/api/v1/rules/reload", "application/json", "")
				}
				switch {
				case status == http.StatusTooManyRequests:
					busy.Add(1)
				case status >= 400 && status < 500:
					refused.Add(1)
				case status == 0 || status >= 500:
					failed.Add(1)
					t.Errorf("client %d, request %d: answered %d", n, i, status)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	var took []time.Duration
	var most uint64
	for running := true; running || len(took) < 100; {
		begun := time.Now()
		failedCall(t, base, "", fmt.Sprint("call_", len(took)))
		took = append(took, time.Since(begun))
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	slices.Sort(took)
	t.Logf("%d webhooks, p50 %s, p99 %s; %d refused, %d busy, %d failed; heap %d MB at most", len(took),
		took[len(took)/2], took[(len(took)*99+99)/100-1], refused.Load(), busy.Load(), failed.Load(), most>>20)
	if most > 1<<30 {
		t.Errorf("the heap had %d MB", most>>20)
	}
	if refused.Load() == 0 {
		t.Error("no hostile draft was refused")
	}
	if got := a.judge.Rules().Digest; got != digest {
		t.Errorf("other rules are in force: %s, want %s", got, digest)
	}
	eventually(t, "the server is ready", func() bool {
		res, err := client.Get(base + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	within(t, 3*time.Minute, "the rules in force judge", func() bool { return len(listed(t, base)) == len(took)+1 })
}
