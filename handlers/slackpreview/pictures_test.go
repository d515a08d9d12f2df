package slackpreview

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/labstack/echo/v4"

	"callwatch/notifier/slackfake"
)

var pictures = flag.String("pictures", "", "folder for a picture of each golden Slack message, such as ../../docs/images/slack")

// still is a page that does not change.
type still Page

func (s still) Snapshot() Page           { return Page(s) }
func (s still) Changed() <-chan struct{} { return nil }

// TestPictures renders the golden messages as docs/slack.md shows them.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("without -pictures nothing is rendered")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		t.Fatal("no Chromium found")
	}
	if err := os.MkdirAll(*pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)], chromedp.ExecPath(browser), chromedp.NoSandbox)...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	files, err := filepath.Glob("../../notifier/slack/testdata/*.golden.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := slackfake.Message{TS: "1773454440.000100", At: time.Date(2026, 3, 14, 2, 14, 0, 0, time.UTC)}
		if err := json.Unmarshal(content, &m); err != nil {
			t.Fatal(file, err)
		}
		page := Page{Mode: "demo", Threads: []Thread{{ID: "C1-1", Channel: "voice-quality", Root: shownMessage(m)}}}
		e := echo.New()
		Mount(func(method, path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc) {
			e.Add(method, path, h, guards...)
		}, still(page), Env{CSP: "default-src 'self'", Streams: 10, Log: slog.New(slog.DiscardHandler)})
		server := httptest.NewServer(e)
		name := strings.TrimSuffix(filepath.Base(file), ".golden.json")
		for _, step := range []error{
			run(ctx, chromedp.EmulateViewport(1500, 900)),
			run(ctx, chromedp.Navigate(server.URL+"/slack")),
			run(ctx, chromedp.Evaluate[bool](alone)),
		} {
			if step != nil {
				t.Fatal(name, step)
			}
		}
		png, err := chromedp.Run(ctx, chromedp.Screenshot("#threads > li"))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// alone leaves nothing of the page but the message, at the width of a channel.
const alone = `(() => {
	document.querySelectorAll('main > section').forEach((s, i, all) => { if (i < all.length - 1) s.remove() });
	const main = document.querySelector('main'), scroll = main.querySelector('.scroll');
	Object.assign(main.style, {display: 'block', height: 'auto', maxWidth: '760px'});
	Object.assign(document.querySelector('main > section').style, {height: 'auto', maxHeight: 'none', display: 'block'});
	Object.assign(scroll.style, {overflow: 'visible', height: 'auto', maxHeight: 'none'});
	Object.assign(document.body.style, {height: 'auto', overflow: 'visible', display: 'block'});
	return true;
})()`

func run[T any](ctx context.Context, a chromedp.Action[T]) error {
	_, err := chromedp.Run(ctx, a)
	return err
}
