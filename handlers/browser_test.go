package handlers_test

import (
	"context"
	"flag"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/slackpreview"
	"callwatch/rules"
)

var (
	screenshots = flag.String("screenshots", "", "folder for screenshots of the console")
	only        = flag.String("pages", "", "look only at pages whose name begins so")
)

// browser opens a tab of Chromium.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
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
		t.Skip("no Chromium found: the console was not tried in a browser")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox)
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

func do[T any](ctx context.Context, t *testing.T, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eval is the value of an expression in the page.
func eval[T any](ctx context.Context, t *testing.T, expr string) T {
	t.Helper()
	return do(ctx, t, chromedp.Evaluate[T](expr))
}

// eventually waits in the page until an expression is true.
func eventually(ctx context.Context, t *testing.T, expr string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expr, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
}

// complaints are all messages of the page's console so far: errors of scripts,
// failed requests, CSP violations.
func complaints(ctx context.Context, t *testing.T, messages iter.Seq2[chromedp.ConsoleMessage, error]) (all []string) {
	t.Helper()
	const end = "end of the messages"
	eval[any](ctx, t, `console.log('`+end+`')`)
	for m, err := range messages {
		if err != nil {
			t.Fatal(err)
		}
		if m.Text == end {
			break
		}
		all = append(all, m.String()+" "+m.URL)
	}
	return all
}

// TestConsoleInBrowser: the page shows what happened, a new event appears by
// itself, what did not change stays in place, and hostile text runs nothing.
func TestConsoleInBrowser(t *testing.T) {
	ctx := browser(t)
	console := newFeed(samplePage())
	url := serve(t, handlers.Config{Dev: true, Preview: console})
	messages := chromedp.Console(ctx)

	do(ctx, t, chromedp.Navigate(url+"/slack"))
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	if mos := eval[string](ctx, t, `document.querySelector('#events tr:first-child .mos').textContent`); mos != "3.12" {
		t.Errorf("first row shows MOS %q", mos)
	}
	if fill := eval[string](ctx, t, `getComputedStyle(document.querySelector('.slack-bar rect')).fill`); fill != "rgb(212, 14, 13)" {
		t.Errorf("bar of the first Slack message is %s", fill)
	}
	shoot(ctx, t)
	eval[bool](ctx, t, `window.kept = document.querySelector('#threads > li'); true`)

	console.change(func(p *slackpreview.Page) {
		e := event(99, "telnyx", new(2.05), call.Estimated)
		e.CallID = `<img src=x onerror="alert(1)">`
		p.Events = slices.Concat([]call.Event{e}, p.Events)
		p.Counts.Events++
		p.Incidents = slices.Clone(p.Incidents)
		p.Incidents[0].State = rules.Resolved
	})
	eventually(ctx, t, `document.querySelector('#events tr:first-child .mos').textContent === '2.05'`)
	eventually(ctx, t, `document.querySelector('#counts [data-key=events] dd').textContent.replace(/\D/g, '') === '1302'`)
	eventually(ctx, t, `document.querySelector('#incidents li').classList.contains('resolved')`)
	if !eval[bool](ctx, t, `window.kept === document.querySelector('#threads > li')`) {
		t.Error("a thread that did not change was replaced")
	}
	if eval[bool](ctx, t, `document.querySelector('td img') !== null`) {
		t.Error("a call id became an element")
	}
	incident := eval[string](ctx, t, `document.querySelector('#incidents li').innerText`)
	if !strings.Contains(incident, "mos (3.12) < 3.5") || strings.Contains(incident, "unknown") {
		t.Errorf("incident reads %q, want the conditions that held", incident)
	}
	if got := complaints(ctx, t, messages); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// TestConsoleReconnects: after the stream broke, the page comes back by itself
// and shows what happened meanwhile.
func TestConsoleReconnects(t *testing.T) {
	ctx := browser(t)
	console := newFeed(samplePage())
	config := handlers.Config{Dev: true, Preview: console, Providers: providers(), Store: new(memory).store}
	s, err := handlers.Listen("127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	do(ctx, t, chromedp.Navigate("http://"+addr+"/slack"))
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, `document.querySelector('#link.lost') !== null`)
	console.change(func(p *slackpreview.Page) { p.Counts.Webhooks = 7 })
	listenOn(t, addr, config)
	eventually(ctx, t, `document.querySelector('#counts [data-key=webhooks] dd').textContent === '7'`)
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
}

// shoot writes screenshots in both colour schemes and three widths.
func shoot(ctx context.Context, t *testing.T) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string][2]int64{"wide": {1600, 900}, "laptop": {1180, 800}, "phone": {390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				t.Fatal(err)
			}
			do(ctx, t, chromedp.EmulateViewport(size[0], size[1]))
			png := do(ctx, t, chromedp.CaptureScreenshot())
			if err := os.WriteFile(filepath.Join(*screenshots, name+"-"+scheme+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
