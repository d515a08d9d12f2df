package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"callwatch/cmd/callwatch/internal/config"
)

// tab opens a tab of Chromium.
func tab(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CALLWATCH_REQUIRE_BROWSER") == "1" {
			t.Fatal("no Chromium found, and CALLWATCH_REQUIRE_BROWSER=1")
		}
		t.Skip("no Chromium found: the page was not tried in a browser")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// Out of the box, a reader of the page acknowledges and silences an incident with
// its buttons, through the route and the signature that the real Slack uses.
func TestButtonsOfThePage(t *testing.T) {
	long(t)
	t.Parallel()
	browser := tab(t)
	a, base := inDevelopment(t, testLogger(t), func(*config.Config) {})
	failedCall(t, base, butterToken, "call_0123456789ab")

	waitFor := func(expr string) {
		t.Helper()
		if _, err := chromedp.Run(browser, chromedp.Poll[bool](expr, chromedp.WithPollingTimeout(40*time.Second))); err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
	}
	if _, err := chromedp.Run(browser, chromedp.Navigate(base+"/slack")); err != nil {
		t.Fatal(err)
	}
	const ack, unack = `button[data-action=callwatch_ack]`, `button[data-action=callwatch_unack]`
	waitFor(`document.querySelector('` + ack + `:enabled') !== null`)
	if _, err := chromedp.Run(browser, chromedp.Click(chromedp.CSS(ack))); err != nil {
		t.Fatal(err)
	}
	waitFor(`document.querySelector('` + unack + `') !== null`)
	waitFor(`document.querySelector('.slack-replies').innerText.includes('Acknowledged by you')`)
	const hours = `(m => { m.value = '1'; m.dispatchEvent(new Event('change', {bubbles: true})); return true })(document.querySelector('select[data-action=callwatch_silence]'))`
	waitFor(hours)
	waitFor(`document.querySelector('.slack-replies').innerText.includes('Silenced until')`)

	open := a.api().Open()
	if len(open) != 1 || open[0].Acknowledged == nil || open[0].Acknowledged.By != "you" || open[0].Silence == nil {
		t.Errorf("open incidents: %+v", open)
	} else if left := time.Until(open[0].Silence.Until); left < 3*time.Hour || left > 4*time.Hour {
		t.Errorf("silenced for another %s, want the 4 hours of the menu", left)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/slack/interactions", strings.NewReader("payload={}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unsigned click is answered %d", res.StatusCode)
	}
}
