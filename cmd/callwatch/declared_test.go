package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/normalizer/simulate"
)

// A provider declared in YAML is served as built-in ones are: its webhook is verified, its
// report fetched, the call judged and announced in Slack. A change of its file counts
// without a restart, one with a mistake does not.
func TestDeclaredProviderAlertsInSlack(t *testing.T) {
	t.Parallel()
	const secret, token = "nimbus-secret", "a-token-of-tests-0123456789"
	source, err := os.ReadFile("../../normalizer/declared/testdata/nimbus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	declared := strings.Replace(string(source), "delays: [2s, 10s]", "delays: [50ms, 100ms]", 1)
	folder := t.TempDir()
	file := filepath.Join(folder, "nimbus.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(declared)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("rules:\n  - {name: low-mos, when: mos < 3.5, severity: critical, by: callId}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/calls/"), "/quality")
		switch {
		case r.Header.Get("Authorization") != "Bearer key-1":
			w.WriteHeader(http.StatusUnauthorized)
		case asked.Add(1) == 1:
			fmt.Fprint(w, `{"state":"processing"}`)
		default:
			fmt.Fprintf(w, `{"id":%q,"quality":{"mos":"2.1","rtt":0.25},"cents":12}`, id)
		}
	}))
	defer api.Close()
	slack, slackURL := fakeSlackServer(t, "#voice")
	p := start(t, t.TempDir(), rules, slackURL, simulate.Secrets{},
		"CALLWATCH_PROVIDERS_DIR="+folder, "CALLWATCH_NIMBUS_SIGNING_SECRET=old,"+secret, "CALLWATCH_NIMBUS_API_KEY=key-1",
		"CALLWATCH_NIMBUS_API_URL="+api.URL, "CALLWATCH_ADMIN_TOKEN="+token)
	signature := "t=%s,v1=%s"
	post := func(id, secret string) int {
		t.Helper()
		now := time.Now()
		body := fmt.Sprintf(`{"type":"call.over","delivery":"d-%s","data":{"why":"hangup","call":{"id":%q,"dir":"in","from":"+14155550123","created":%d,"answered":%d,"over":%d}}}`,
			id, id, now.Add(-50*time.Second).UnixMilli(), now.Add(-45*time.Second).UnixMilli(), now.UnixMilli())
		stamp := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%s.%s", stamp, body)
		req, err := http.NewRequest(http.MethodPost, p.base+"/webhooks/nimbus", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Nimbus-Signature", fmt.Sprintf(signature, stamp, hex.EncodeToString(mac.Sum(nil))))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if status := post("c-0", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong signature is answered with %d", status)
	}
	if status := post("c-1", secret); status != http.StatusOK {
		t.Fatalf("a webhook is answered with %d", status)
	}
	eventually(t, "the incident is in Slack", func() bool { return len(rootsByIncident(slack)) == 1 })

	events := func() string {
		req, _ := http.NewRequest(http.MethodGet, p.base+"/api/v1/events?provider=nimbus", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return ""
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	write(strings.Replace(declared, "direction:", "directoin:", 1))
	time.Sleep(3 * declarationsEvery) // so that it was read
	if post("c-2", secret); !strings.Contains(events(), `"direction":"inbound"`) {
		t.Errorf("the mapping in force is gone: %s", events())
	}
	const newScheme = `format: "v={timestamp};s={signature}"`
	signature = "v=%s;s=%s"
	write(strings.NewReplacer("  direction:", "  region: '\"moon\"'\n  direction:", `format: "t={timestamp},v1={signature}"`, newScheme).Replace(declared))
	eventually(t, "the new mapping and scheme count", func() bool {
		post(fmt.Sprintf("c-%d", time.Now().UnixNano()), secret)
		return strings.Contains(events(), `"region":"moon"`)
	})
}
