package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// printed is output that is read while it is written.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestConsoleOfDemo: the pages of the demo show its traffic and do what their
// buttons say.
func TestConsoleOfDemo(t *testing.T) {
	long(t)
	t.Parallel()
	browser := tab(t)
	ctx, stop := context.WithCancel(context.Background())
	out := &printed{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--rate", "10", "--bad", "30%", "--seed", "3", "--listen", "127.0.0.1:0"}, nil, nil, out, out)
	}()
	t.Cleanup(func() { stop(); <-ended })
	address := regexp.MustCompile(`console: (http://\S+?)/\n`)
	eventually(t, "the demo prints its address", func() bool { return address.MatchString(out.String()) })
	base := address.FindStringSubmatch(out.String())[1]
	messages := chromedp.Console(browser)

	show := func(path string) {
		t.Helper()
		if _, err := chromedp.Run(browser, chromedp.Navigate(base+path)); err != nil {
			t.Fatal(err)
		}
	}
	truth := func(expr string) {
		t.Helper()
		within(t, 2*time.Minute, expr, func() bool {
			ok, err := chromedp.Run(browser, chromedp.Evaluate[bool](expr))
			if err != nil && browser.Err() != nil {
				t.Fatal(err)
			}
			return ok && err == nil
		})
	}
	text := func(expr string) string {
		t.Helper()
		s, err := chromedp.Run(browser, chromedp.Evaluate[string](expr))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	link := func(selector string) (href string) { // rows come and go
		t.Helper()
		within(t, 2*time.Minute, selector, func() bool {
			var err error
			href, err = chromedp.Run(browser, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.getAttribute('href') ?? ''", selector)))
			if err != nil && browser.Err() != nil {
				t.Fatal(err)
			}
			return err == nil && href != ""
		})
		return href
	}

	show("/")
	truth(`document.querySelector(".tile") !== null || document.body.innerText.includes("Open incidents")`)
	show("/live")
	truth(`document.querySelector('#link.live') !== null && Number(document.getElementById('total').textContent) > 20`)
	path := link(`tr[data-band=bad] a[href^="/calls/telnyx/"]`)
	show(path)
	truth(`document.querySelectorAll('.why').length > 5 && document.querySelectorAll('.timeline li').length > 0`)
	truth(`(document.querySelector('.rawbox summary')?.click(), document.querySelector('.raw')?.textContent.length > 100)`)

	show("/incidents")
	show(link(".card .title"))
	truth(`(document.querySelector('button[value=acknowledge]')?.click(), document.body.innerText.includes('Taken by console'))`)

	show("/rules")
	truth(`document.querySelectorAll('tbody th').length >= 16`)
	truth(`document.querySelector('.editor') !== null`)
	id := strings.TrimPrefix(path, "/calls/telnyx/")
	text(fmt.Sprintf(`document.getElementById('try-call').value = 'telnyx/%s', document.getElementById('try-expr').editor.dispatch({changes: {from: 0, insert: 'poor || mos < 4.9'}}), ''`, id))
	truth(`document.querySelector('#tried h3')?.innerText.startsWith('matches')`)
	text(`document.getElementById('d-name').value = 'low-mos', document.getElementById('d-when').editor.dispatch({changes: {from: 0, insert: 'mos < 4.2'}}), ''`)
	// Again until there is a call between the two limits.
	truth(`(document.querySelector('form[action="/rules/backtest"] button:enabled')?.click(), document.getElementById('tested').innerText.includes('Newly caught'))`)

	show("/status")
	truth(`document.body.innerText.includes('Telnyx') && document.body.innerText.includes('ready')`)
	truth(`document.querySelector('nav a[href="/slack"]') !== null`)
	show("/slack")
	truth(`document.querySelectorAll('#threads > li').length > 0`)

	const end = "end of the messages"
	text(`console.log('` + end + `'), ''`)
	for m, err := range messages {
		if err != nil {
			t.Fatal(err)
		}
		if m.Text == end {
			break
		}
		if strings.HasSuffix(m.URL, "/rules/check") && strings.Contains(m.Text, " 429 ") {
			continue // the backtest has the turn: the editor says so and asks again
		}
		t.Errorf("the browser complains: %s %s", m, m.URL)
	}
}
