package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"callwatch/handlers"
	"callwatch/handlers/slackpreview"
)

// presses are what was pressed; the next one is answered with err.
type presses struct {
	mu  sync.Mutex
	got []slackpreview.Press
	err error
}

func (p *presses) take(_ context.Context, one slackpreview.Press) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, one)
	return p.err
}

func (p *presses) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *presses) all() []slackpreview.Press {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func TestMessagesShowChartTableAndControls(t *testing.T) {
	page := handlers.Config{Dev: true, Preview: newFeed(samplePage())}
	still := send(t, "GET", serve(t, page)+"/slack", "", nil).body
	page.Press = new(presses).take
	live := send(t, "GET", serve(t, page)+"/slack", "", nil).body
	for _, want := range []string{
		`aria-label="Line chart. Trend of the value. 11:50: 2 %, 11:55: 11.5 %, 12:00: 24 %. Time in UTC."`,
		`points="44.0,118.3 258.0,81.5 472.0,33.2"`,
		`<th scope="col">Matched</th>`, `<td>31 of 40</td>`,
		`<option value="1">4 hours</option>`,
		`<a class="slack-button" href="https://example.com/book?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">Runbook</a>`,
	} {
		if !strings.Contains(live, want) {
			t.Errorf("page lacks %s", want)
		}
	}
	const button = `<button class="slack-button" type="button" data-action="ack"`
	if !strings.Contains(live, button+">") || !strings.Contains(still, button+" disabled>") {
		t.Error("a button is to be pressed where clicks are taken, and shown disabled elsewhere")
	}
}

func TestPressIsPassedOn(t *testing.T) {
	clicks := new(presses)
	base := serve(t, handlers.Config{Dev: true, Preview: newFeed(samplePage()), Press: clicks.take})
	asJSON := map[string]string{"Content-Type": "application/json"}
	const body = `{"message":"1.000002","action":"silence","option":1}`
	for _, c := range []struct {
		name   string
		body   string
		header map[string]string
		err    error
		want   int
	}{
		{"taken", body, asJSON, nil, 204},
		{"gone", body, asJSON, fmt.Errorf("x: %w", slackpreview.ErrNoControl), 404},
		{"refused", body, asJSON, errors.New("401"), 502},
		{"of another site", body, with(asJSON, "Origin", "https://evil.example"), nil, 403},
		{"a form", "message=1", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, nil, 415},
		{"no JSON", "{", asJSON, nil, 400},
	} {
		clicks.fail(c.err)
		if got := send(t, "POST", base+"/console/press", c.body, c.header); got.status != c.want {
			t.Errorf("%s: answered %d, want %d: %s", c.name, got.status, c.want, got.body)
		}
	}
	want := slackpreview.Press{Message: "1.000002", Action: "silence", Option: 1}
	if got := clicks.all(); len(got) != 3 || got[0] != want {
		t.Errorf("passed on %+v, want three times %+v", got, want)
	}
	without := serve(t, handlers.Config{Dev: true, Preview: newFeed(samplePage())})
	if got := send(t, "POST", without+"/console/press", body, asJSON); got.status != 404 {
		t.Errorf("where no clicks are taken: %d", got.status)
	}
}

// TestSlackInBrowser: a message's chart, table and controls are there to be seen
// and work, under the page's content security policy.
func TestSlackInBrowser(t *testing.T) {
	ctx := browser(t)
	clicks := new(presses)
	url := serve(t, handlers.Config{Dev: true, Preview: newFeed(samplePage()), Press: clicks.take})
	messages := chromedp.Console(ctx)
	do(ctx, t, chromedp.Navigate(url+"/slack"))
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	shoot(ctx, t)

	for what, expr := range map[string]string{
		"the chart has its size":      `(r => r.width > 150 && r.height > 50)(document.querySelector('.slack-chart svg').getBoundingClientRect())`,
		"its line is drawn":           `document.querySelector('.slack-line').getTotalLength() > 300 && getComputedStyle(document.querySelector('.slack-line')).fill === 'none'`,
		"its labels are inside it":    `Array.from(document.querySelectorAll('.slack-chart text'), e => e.getBoundingClientRect()).every(r => { const c = document.querySelector('.slack-chart svg').getBoundingClientRect(); return r.left >= c.left - 1 && r.right <= c.right + 1 })`,
		"the table's columns line up": `(r => r[0].cells[2].getBoundingClientRect().right === r[1].cells[2].getBoundingClientRect().right)(document.querySelector('.slack-table table').rows)`,
	} {
		if !eval[bool](ctx, t, expr) {
			t.Errorf("not so: %s", what)
		}
	}
	do(ctx, t, chromedp.Click(chromedp.CSS(`button[data-action=ack]`)))
	pressed := func(n int) {
		t.Helper()
		eventually(ctx, t, `Array.from(document.querySelectorAll('[data-action]')).every(e => !e.disabled)`)
		if got := len(clicks.all()); got != n {
			t.Fatalf("%d clicks were passed on, want %d", got, n)
		}
	}
	pressed(1)
	choose := `(m => { m.value = '1'; m.dispatchEvent(new Event('change', {bubbles: true})); return true })(document.querySelector('select[data-action=silence]'))`
	eval[bool](ctx, t, choose)
	pressed(2)
	const ts = "1772366408.000100"
	want := []slackpreview.Press{{Message: ts, Action: "ack"}, {Message: ts, Action: "silence", Option: 1}}
	if got := clicks.all(); !slices.Equal(got, want) {
		t.Errorf("passed on %+v, want %+v", got, want)
	}
	if eval[string](ctx, t, `document.querySelector('select[data-action=silence]').value`) != "" {
		t.Error("the menu shows the last choice instead of its name")
	}
	if got := complaints(ctx, t, messages); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	clicks.fail(slackpreview.ErrNoControl)
	do(ctx, t, chromedp.Click(chromedp.CSS(`button[data-action=ack]`)))
	eventually(ctx, t, `document.getElementById('slack-said').checkVisibility() && document.getElementById('slack-said').textContent.includes('not offer this any more')`)
}
