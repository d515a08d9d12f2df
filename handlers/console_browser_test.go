package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/rules"
)

// open shows a page of the console and waits until its scripts have run.
func open(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	do(ctx, t, chromedp.Navigate(url))
	becomes(ctx, t, `document.readyState === 'complete'`) // the page may go on to another
}

// press clicks what a selector finds first.
func press(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	if !eval[bool](ctx, t, `(() => { const e = document.querySelector(`+"`"+selector+"`"+`); if (e) e.click(); return e !== null })()`) {
		t.Fatalf("no %s to press", selector)
	}
}

// submits clicks what a selector finds first, and waits for the page that comes of
// it: the one before may say already what is looked for.
func submits(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	eval[bool](ctx, t, `window.before = true`)
	press(ctx, t, selector)
	becomes(ctx, t, `!window.before && document.readyState === 'complete'`)
}

// reads waits until the page's text holds something, also across a navigation.
func reads(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	becomes(ctx, t, fmt.Sprintf(`document.readyState === 'complete' && document.body.innerText.includes(%q)`, text))
}

// becomes waits until an expression is true, also across a navigation.
func becomes(ctx context.Context, t *testing.T, expr string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expr))
		if ok && err == nil {
			return
		}
		if ctx.Err() != nil || time.Now().After(end) {
			t.Fatalf("%s: %v, %v", expr, ok, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func dark(ctx context.Context, t *testing.T, scheme string) {
	t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		t.Fatal(err)
	}
}

// officePages are all pages by the name of their screenshots.
func officePages(o *office) map[string]string {
	var last call.Event
	for _, e := range o.events {
		if len(e.Event.Intervals) > 0 {
			last = e.Event
		}
	}
	var id string
	for _, in := range o.engine.Incidents() {
		if in.Rule == "low-mos" && in.Opening.Call.Provider == "telnyx" {
			id = in.ID
		}
	}
	agent := event(950, "atoms", nil, "")
	agent.STTLatencyMs, agent.LLMLatencyMs, agent.TTSLatencyMs, agent.TurnLatencyMs = new(180.0), new(640.0), new(220.0), new(1210.0)
	for n := range 14 {
		i := float64(n)
		agent.Turns = append(agent.Turns, call.Turn{STTMs: new(160 + 3*i), LLMMs: new(420 + 35*i), TTSMs: new(200.0), LatencyMs: new(960 + 38*i)})
	}
	o.add(agent)
	return map[string]string{
		"call-agent": "/calls/atoms/" + agent.CallID, "incident-calls": "/calls?incident=" + id,
		"overview": "/", "overview-week": "/?range=7d&by=codec", "calls": "/calls", "calls-found": "/calls?q=0187", "calls-none": "/calls?q=nobody",
		"calls-filter": "/calls?filter=mos+%3C+3.5&sort=mos&range=7d", "calls-error": "/calls?filter=moss+%3C+3.5&since=x", "rule": "/rules/low-mos",
		"rule-window": "/rules/share", "silences-edit": "/silences?match=rule+%3D%3D+%22low-mos%22",
		"live": "/live", "live-events": "/live?events=1", "call": "/calls/telnyx/" + last.CallID, "incidents": "/incidents", "incident": "/incidents/" + id, "rules": "/rules",
		"silences": "/silences", "dead-letters": "/dead-letters", "dead-letter": "/dead-letters/raw-70", "status": "/status",
		"login": "/login", "filter-error": "/live?filter=mos+%3C+%22x%22", "missing": "/calls/telnyx/nothing",
	}
}

// TestConsolePages: every page in both colour schemes and at phone width has no
// serious finding of axe, no complaint of the browser, and no sideways scrolling.
func TestConsolePages(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.busy()
	o.fleet()
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	axe, err := os.ReadFile("testdata/axe/axe.js")
	if err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	for name, path := range officePages(o) {
		if *only != "" && !strings.HasPrefix(name, *only) {
			continue
		}
		for _, scheme := range []string{"light", "dark"} {
			dark(ctx, t, scheme)
			do(ctx, t, chromedp.EmulateViewport(1440, 900))
			open(ctx, t, url+path)
			settle(ctx, t, name)
			photograph(ctx, t, name+"-"+scheme)
			eval[any](ctx, t, string(axe)+";0")
			eval[string](ctx, t, `window.axed = null, axe.run({resultTypes: ['violations']}).then(r => { window.axed = r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; ')).join('\n') }), ''`)
			eventually(ctx, t, `window.axed !== null`)
			if found := eval[string](ctx, t, `window.axed`); found != "" {
				t.Errorf("%s, %s: %s", name, scheme, found)
			}
		}
		const beyond = `[...document.querySelectorAll('.lifts')].map(e => e.scrollWidth - e.parentElement.clientWidth).filter(n => n > 0).join()`
		if over := eval[string](ctx, t, beyond); over != "" {
			t.Errorf("%s: the columns of the lifts are %s beyond the page", name, over)
		}
		do(ctx, t, chromedp.EmulateViewport(390, 844))
		open(ctx, t, url+path)
		settle(ctx, t, name)
		photograph(ctx, t, name+"-phone")
		if over := eval[string](ctx, t, beyond); over != "" {
			t.Errorf("%s: the columns of the lifts are %s beyond a phone", name, over)
		}
		if width := eval[int](ctx, t, `document.documentElement.scrollWidth`); width > 390 {
			t.Errorf("%s is %d wide on a phone", name, width)
		}
		if over := eval[string](ctx, t, `[...document.querySelectorAll('.events')].map(e => e.scrollWidth - e.parentElement.clientWidth).filter(n => n > 0).join()`); over != "" {
			t.Errorf("%s: a table is %s wider than a phone", name, over)
		}
		if eval[bool](ctx, t, `document.body.innerText.includes('%!')`) {
			t.Errorf("%s: a number is not written as one", name)
		}
		if eval[bool](ctx, t, `document.querySelector('main img') !== null`) {
			t.Errorf("%s: a provider's text became an element", name)
		}
	}
	for _, complaint := range complaints(ctx, t, messages) {
		if !strings.Contains(complaint, "the server responded with a status of 4") { // of the pages that are to be errors
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// settle waits until a page's scripts have drawn what they draw.
func settle(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	switch name {
	case "live", "live-events":
		eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	case "call":
		eventually(ctx, t, `document.querySelectorAll('[data-drawn]').length === 4`)
	case "call-agent":
		eventually(ctx, t, `document.querySelectorAll('svg.stages rect').length === 3 && document.querySelectorAll('svg.turns rect').length === 4 * 14 && document.querySelector('details.unknown') !== null`)
	case "incident-calls":
		eventually(ctx, t, `document.querySelectorAll('#rows tr').length > 0`)
	case "rules", "filter-error", "calls", "calls-found", "calls-none", "calls-filter", "calls-error":
		eventually(ctx, t, `document.querySelector('.editor') !== null`)
	}
}

func photograph(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	png := do(ctx, t, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(*screenshots, "console-"+name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestConsoleActions: what an operator can do is done, and said.
func TestConsoleActions(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.busy()
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	messages := chromedp.Console(ctx)
	did := func(want rules.Doing) {
		t.Helper()
		got := look(o, func() rules.Action { return o.marks[len(o.marks)-1] })
		if got.Do != want || got.By == "" {
			t.Errorf("marked %+v, want %s", got, want)
		}
	}

	open(ctx, t, url+"/incidents")
	n := len(o.api().Open())
	submits(ctx, t, `.card button[value=acknowledge]`)
	reads(ctx, t, "Acknowledged.")
	did(rules.Acknowledge)
	open(ctx, t, url+"/incidents?state=acknowledged")
	submits(ctx, t, `.card button[value=unacknowledge]`)
	reads(ctx, t, "Unacknowledged: reminders continue")
	did(rules.Unacknowledge)
	open(ctx, t, url+"/incidents")
	submits(ctx, t, `.card .title`)
	becomes(ctx, t, `location.pathname.startsWith('/incidents/') && document.readyState === 'complete'`)
	submits(ctx, t, `button[name=for][value="4h"]`)
	reads(ctx, t, "Silenced.")
	did(rules.AddSilence)
	resolving := eval[string](ctx, t, `location.href`)
	if until := time.Until(o.api().Silences()[0].Until); until < 3*time.Hour || until > 4*time.Hour {
		t.Errorf("silenced for %s", until)
	}

	open(ctx, t, url+"/silences")
	reads(ctx, t, "mutes 1 incident")
	eval[any](ctx, t, `document.getElementById('match').value = 'rule == "low-mos"', document.getElementById('for').value = '30m', 0`)
	submits(ctx, t, `form[action="/silences"] button`)
	reads(ctx, t, `rule == "low-mos"`)
	submits(ctx, t, `form[action="/silences/expire"] button`)
	reads(ctx, t, "Silence ended.")
	did(rules.ExpireSilence)

	open(ctx, t, resolving)
	submits(ctx, t, `button[value=resolve]`)
	reads(ctx, t, "Resolved.")
	did(rules.Resolve)
	open(ctx, t, resolving)
	reads(ctx, t, "Resolved by")
	n-- // of the open ones

	open(ctx, t, url+"/dead-letters")
	submits(ctx, t, `td form button`)
	reads(ctx, t, "Replayed 1: 1 normalized")
	submits(ctx, t, `main > form button`)
	reads(ctx, t, "No dead letter")

	// The list follows what happens.
	open(ctx, t, url+"/incidents")
	eventually(ctx, t, `document.querySelector('[sse-connect]')['htmx-internal-data']?.sseEventSource?.readyState === 1`)
	fail := event(900, "signalwire", nil, "")
	fail.Status, fail.HangupCause = call.Failed, "new-cause"
	o.add(fail)
	reads(ctx, t, "new-cause")
	if after := len(o.api().Open()); after != n+1 {
		t.Errorf("%d incidents are open, want %d", after, n+1)
	}
	if got := complaints(ctx, t, messages); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// TestConsoleRules: an expression is completed, checked while it is written,
// tried against a call, and a draft is backtested beside the running rule.
func TestConsoleRules(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.busy()
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	messages := chromedp.Console(ctx)
	open(ctx, t, url+"/rules")
	write := func(id, text string) {
		t.Helper()
		eventually(ctx, t, fmt.Sprintf(`document.getElementById(%q).editor !== undefined`, id))
		eval[any](ctx, t, fmt.Sprintf(`(() => { const v = document.getElementById(%q).editor; v.focus(); v.dispatch({changes: {from: 0, to: v.state.doc.length, insert: %q}, selection: {anchor: %d}, userEvent: 'input.type'}) })(), 0`, id, text, len(text)))
	}
	inEditor := func(id, selector string) string {
		return fmt.Sprintf(`document.getElementById(%q).nextElementSibling.shadowRoot.querySelector(%q)`, id, selector)
	}

	write("try-expr", "jitter")
	eventually(ctx, t, inEditor("try-expr", ".cm-tooltip-autocomplete")+`?.textContent.includes('jitterMs')`)
	eventually(ctx, t, `document.getElementById('try-report').textContent.includes('jitterMs')`)
	eventually(ctx, t, inEditor("try-expr", ".cm-lintRange-error")+` !== null`)
	eventually(ctx, t, `document.querySelector('#tried .problems')?.textContent.includes('1:1')`)

	eval[any](ctx, t, `document.getElementById('try-call').value = 'telnyx/`+o.events[len(o.events)-1].Event.CallID+`', 0`)
	write("try-expr", "mos < 3.5 && jitterMs > 100")
	eventually(ctx, t, `document.getElementById('tried').innerText.includes('does not match')`)
	eventually(ctx, t, `document.getElementById('try-report').textContent === ''`)
	write("try-expr", "mos < 3.5")
	eventually(ctx, t, `document.querySelector('#tried h3')?.innerText.startsWith('matches')`)

	// Values are completed, and with a window its functions are known.
	write("try-expr", `provider == "tel`)
	eventually(ctx, t, inEditor("try-expr", ".cm-tooltip-autocomplete")+`?.textContent.includes('telnyx')`)
	eval[any](ctx, t, `document.getElementById('d-over').value = '15m', 0`)
	write("d-when", "rat(mos < 3.5) > 0.1")
	eventually(ctx, t, `document.getElementById('d-report').textContent.includes('unknown function rat')`)
	write("d-when", "rate(mos < 3.5) > 0.1")
	eventually(ctx, t, `document.getElementById('d-report').textContent === ''`)
	eval[any](ctx, t, `document.getElementById('d-over').value = '', 0`)

	eval[any](ctx, t, `document.getElementById('d-name').value = 'low-mos', 0`)
	write("d-when", "mos < 3.8")
	press(ctx, t, `form[action="/rules/backtest"] button.primary`)
	eventually(ctx, t, `document.getElementById('tested').innerText.includes('Newly caught')`)
	eventually(ctx, t, `document.querySelectorAll('.histogram rect').length > 0`)
	if yaml := eval[string](ctx, t, `document.getElementById('draft-yaml').textContent`); !strings.Contains(yaml, "when: 'mos < 3.8'") {
		t.Errorf("YAML is %q", yaml)
	}
	press(ctx, t, `button[data-copy]`)
	eventually(ctx, t, `document.querySelector('.copied').textContent !== ''`)
	write("d-when", "moss < 3.8")
	press(ctx, t, `form[action="/rules/backtest"] button.primary`)
	eventually(ctx, t, `document.querySelector('#tested .failure')?.innerText.includes('moss')`)
	photograph(ctx, t, "rules-draft")
	for _, complaint := range complaints(ctx, t, messages) {
		if !strings.Contains(complaint, "422") { // of what was wrong on purpose
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// cutter is a TCP proxy that can cut what goes through it.
type cutter struct {
	addr string
	mu   sync.Mutex
	open []net.Conn
	off  bool
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := &cutter{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			c.mu.Lock()
			if err != nil || c.off {
				_ = in.Close()
				if out != nil {
					_ = out.Close()
				}
			} else {
				c.open = append(c.open, in, out)
				go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
				go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			}
			c.mu.Unlock()
		}
	}()
	return c
}

// cut ends all connections, and refuses new ones while off.
func (c *cutter) cut(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.open, c.off = nil, off
}

// TestLiveLosesNothing: events that come while the connection is cut, again and
// again, are all shown once it is back, each once and the newest first.
func TestLiveLosesNothing(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	proxy := newCutter(t, strings.TrimPrefix(url, "http://"))
	open(ctx, t, "http://"+proxy.addr+"/live")
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	const rounds, each = 4, 60
	for round := range rounds {
		for i := range each {
			if i == each/3 {
				proxy.cut(true)
			}
			o.add(event(round*each+i, "telnyx", new(4.2), call.FromProvider))
		}
		proxy.cut(false)
		eventually(ctx, t, fmt.Sprintf(`document.getElementById('total').textContent === '%d'`, (round+1)*each))
	}
	order := eval[string](ctx, t, `[...document.querySelectorAll('#rows tr')].map(r => r.dataset.seq).join()`)
	var want []string
	for i := rounds * each; i > 0; i-- {
		want = append(want, fmt.Sprint(i))
	}
	if order != strings.Join(want, ",") {
		t.Errorf("rows are %s", order)
	}
}

// TestLiveKeepsUp: 200 events a second are all counted and the table stays short.
func TestLiveKeepsUp(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	messages := chromedp.Console(ctx)
	open(ctx, t, url+"/live")
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	const seconds, rate = 8, 200
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	for i := range seconds * 20 {
		<-tick.C
		batch := make([]call.Event, rate/20)
		for j := range batch {
			batch[j] = event(i*rate/20+j, "telnyx", new(2.0+float64(j%4)*0.8), call.FromProvider)
		}
		o.add(batch...)
		if i == 60 { // what waits while the page is paused is counted as well
			press(ctx, t, "#pause")
		}
		if i == 80 {
			eventually(ctx, t, `document.getElementById('waiting').textContent.includes('wait')`)
			press(ctx, t, "#pause")
		}
	}
	eventually(ctx, t, fmt.Sprintf(`document.getElementById('total').textContent.replace(/\D/g, '') === '%d'`, seconds*rate))
	if n := eval[int](ctx, t, `document.querySelectorAll('#rows tr').length`); n != 500 {
		t.Errorf("the table has %d rows", n)
	}
	if first := eval[string](ctx, t, `document.querySelector('#rows tr').dataset.seq`); first != fmt.Sprint(seconds*rate) {
		t.Errorf("the first row is %s", first)
	}
	if got := complaints(ctx, t, messages); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// TestLiveFilter: only what passes is shown, stored or coming.
func TestLiveFilter(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.busy()
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	open(ctx, t, url+"/?filter=mos+%3C+3")
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	if n := eval[int](ctx, t, `document.querySelectorAll('#rows tr').length`); n != 1 {
		t.Errorf("%d stored rows pass", n)
	}
	o.add(event(801, "telnyx", new(4.0), call.FromProvider), event(802, "telnyx", new(2.0), call.FromProvider))
	eventually(ctx, t, `document.querySelectorAll('#rows tr').length === 2`)
	open(ctx, t, url+"/live?filter=moss+%3C+3")
	reads(ctx, t, "1:1")
}

// TestConsoleTasks: what an operator asks in the morning is answered from the first
// page, with at most three clicks or one search.
func TestConsoleTasks(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.busy()
	o.fleet()
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	messages := chromedp.Console(ctx)
	rows := func() int { return eval[int](ctx, t, `document.querySelectorAll('#rows tr').length`) }
	clicks := 0
	click := func(selector string) {
		t.Helper()
		clicks++
		submits(ctx, t, selector)
	}
	incident := func() {
		t.Helper()
		click(`#overview .card .title`)
		becomes(ctx, t, `location.pathname.startsWith('/incidents/')`)
	}
	for _, task := range []struct {
		name   string
		clicks int
		do     func()
	}{
		{"the calls of a number, by one search from the keyboard", 0, func() {
			keys(ctx, t, "/")
			eventually(ctx, t, `document.activeElement.id === 'search'`)
			eval[any](ctx, t, `document.activeElement.value = '+1 415 555 0187', 0`)
			eval[any](ctx, t, `document.getElementById('search').form.requestSubmit(), 0`)
			becomes(ctx, t, `location.pathname === '/calls' && document.readyState === 'complete'`)
			if n := rows(); n != 1 || !eval[bool](ctx, t, `document.querySelector('#rows').innerText.includes('+14155550187')`) {
				t.Errorf("the search shows %d calls", n)
			}
		}},
		{"the worst region of the last 24 h and its calls", 1, func() {
			worst := eval[string](ctx, t, `[...document.querySelectorAll('.heat .cell:is(.poor, .bad)')].sort((a, b) => parseFloat(b.querySelector('strong').textContent) - parseFloat(a.querySelector('strong').textContent))[0].getAttribute('href')`)
			click(`.heat .cell[href="` + worst + `"]`)
			becomes(ctx, t, `location.pathname === '/calls' && document.querySelectorAll('#rows tr').length > 0`)
			if where := eval[string](ctx, t, `document.querySelector('#rows tr').innerText`); !strings.Contains(where, "telnyx") || !strings.Contains(where, "eu-west") || !strings.Contains(where, "bad") {
				t.Errorf("the first call is %q", where)
			}
			open(ctx, t, url+"/calls"+eval[string](ctx, t, `location.search`)) // the address holds the view
			becomes(ctx, t, `document.querySelectorAll('#rows tr').length > 0`)
		}},
		{"all calls of an incident", 2, func() {
			incident()
			click(`.buttons a[href*="/calls?incident="]`)
			becomes(ctx, t, `location.pathname === '/calls' && document.querySelectorAll('#rows tr').length > 0`)
		}},
		{"what differs between its good and bad calls", 1, func() {
			incident()
			reads(ctx, t, "How these calls differ")
			becomes(ctx, t, `document.querySelectorAll('.lifts tbody tr').length > 0`)
		}},
		{"whether its alert was delivered", 1, func() {
			incident()
			reads(ctx, t, "delivered")
			becomes(ctx, t, `document.querySelector('.delivery .health.good') !== null`)
		}},
		{"what a rule would have done last week", 3, func() {
			click(`nav a[href="/rules"]`)
			click(`th a[href="/rules/low-mos"]`)
			reads(ctx, t, "As YAML")
			click(`.buttons a[href*="#backtest"]`)
			eventually(ctx, t, `document.getElementById('d-whole').value.includes('low-mos') && document.getElementById('d-since').value === '7d'`)
			eventually(ctx, t, `document.getElementById('tested').innerText.includes('Both match the same calls')`)
		}},
		{"mute it for the night", 3, func() {
			incident()
			click(`a[href^="/silences?match="]`)
			becomes(ctx, t, `location.pathname === '/silences' && document.getElementById('preview').innerText.includes('Would mute 1 of')`)
			morning := time.Now().UTC().Add(9 * time.Hour).Truncate(time.Minute)
			eval[any](ctx, t, `document.getElementById('until').value = '`+morning.Format("2006-01-02T15:04")+`', 0`)
			click(`form[action="/silences"] button.primary`)
			reads(ctx, t, "mutes 1 incident")
			if made := o.api().Silences(); len(made) != 1 || !made[0].Until.Equal(morning) {
				t.Errorf("silences %+v, want one until %v", made, morning)
			}
			submits(ctx, t, `form[action="/silences/expire"] button`)
			reads(ctx, t, "Silence ended.")
		}},
	} {
		clicks = 0
		open(ctx, t, url+"/")
		task.do()
		if clicks != task.clicks || clicks > 3 {
			t.Errorf("%s takes %d clicks, want %d and at most 3", task.name, clicks, task.clicks)
		}
	}
	open(ctx, t, url+"/rules?run=1&whole=x") // as a link of another site: nothing runs
	if eval[bool](ctx, t, `document.querySelector('form[action="/rules/backtest"]').hasAttribute('hx-trigger')`) {
		t.Error("a backtest runs that nobody asked for")
	}

	// The form says what it would mute and keeps what is typed.
	open(ctx, t, url+"/silences?match=rule+%3D%3D+%22low-mos%22")
	eventually(ctx, t, `document.getElementById('preview').innerText.includes('Would mute 3 of')`)
	eval[any](ctx, t, `document.getElementById('until').value = '2020-01-01T07:00', document.getElementById('comment').value = 'night', 0`)
	submits(ctx, t, `form[action="/silences"] button.primary`)
	reads(ctx, t, "Write a time to come")
	if kept := eval[string](ctx, t, `document.getElementById('until').value + document.getElementById('comment').value + document.getElementById('match').value`); kept != `2020-01-01T07:00nightrule == "low-mos"` {
		t.Errorf("the form holds %q", kept)
	}
	eval[any](ctx, t, `document.getElementById('until').value = '2199-01-01T07:00', 0`)
	submits(ctx, t, `form[action="/silences"] button.primary`)
	reads(ctx, t, "Write a time to come")
	tomorrow := time.Now().UTC().Add(20 * time.Hour).Format("2006-01-02T15:04")
	eval[any](ctx, t, `document.getElementById('until').value = '`+tomorrow+`', 0`)
	submits(ctx, t, `form[action="/silences"] button.primary`)
	reads(ctx, t, "mutes 3 incidents")
	submits(ctx, t, `form[action="/silences/extend"] button[value="1d"]`)
	reads(ctx, t, "Silence changed.")
	submits(ctx, t, `a[href*="/silences?edit="]`)
	eval[any](ctx, t, `document.getElementById('comment').value = 'longer', 0`)
	submits(ctx, t, `form[action="/silences"] button.primary`)
	reads(ctx, t, "longer")
	if made := o.api().Silences(); len(made) != 1 || time.Until(made[0].Until) < 40*time.Hour {
		t.Errorf("silences %+v", made)
	}

	// Keys lead to pages.
	for key, path := range map[string]string{"o": "/", "c": "/calls", "i": "/incidents"} {
		open(ctx, t, url+"/status")
		keys(ctx, t, "g"+key)
		becomes(ctx, t, `location.pathname === '`+path+`'`)
	}
	for _, complaint := range complaints(ctx, t, messages) {
		if !strings.Contains(complaint, "422") {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// keys presses keys, one after the other, with nothing in focus.
func keys(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	for _, key := range text {
		eval[any](ctx, t, fmt.Sprintf(`document.body.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true, cancelable: true})), 0`, string(key)))
	}
}

// TestLiveUpdatesInPlace: a call has one row, whatever number of events comes of it,
// and keeps what was known of it.
func TestLiveUpdatesInPlace(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	of := func(kind call.Kind, id string, change func(e *call.Event)) call.Event {
		e := event(1, "telnyx", nil, "")
		e.ID, e.Kind, e.Status = id, kind, call.InProgress
		change(&e)
		return e
	}
	o.add(of(call.Progress, "1", func(*call.Event) {}), of(call.Stats, "2", func(e *call.Event) { e.JitterMs = new(17.0) }))
	open(ctx, t, url+"/live")
	eventually(ctx, t, `document.querySelector('#link.live') !== null`)
	one := `[...document.querySelectorAll('#rows tr')].map(r => r.innerText.replaceAll('\t', ' ')).join('|')`
	if got := eval[string](ctx, t, one); strings.Contains(got, "|") || !strings.Contains(got, "17 ms") {
		t.Errorf("stored events show as %q", got)
	}
	o.add(of(call.Ended, "3", func(e *call.Event) { e.Status, e.MOS, e.Final = call.Completed, new(3.9), true }))
	eventually(ctx, t, one+`.includes('3.90')`)
	if got := eval[string](ctx, t, one); strings.Contains(got, "|") || !strings.Contains(got, "17 ms") || !strings.Contains(got, "completed") {
		t.Errorf("after the end: %q", got)
	}
	o.add(of(call.Stats, "4", func(e *call.Event) { e.RTTMs = new(88.0) })) // late
	eventually(ctx, t, one+`.includes('88 ms')`)
	if got := eval[string](ctx, t, one); strings.Contains(got, "|") || !strings.Contains(got, "3.90") || strings.Contains(got, "in-progress") {
		t.Errorf("after a late event: %q", got)
	}
	open(ctx, t, url+"/live?events=1")
	eventually(ctx, t, `document.querySelectorAll('#rows tr').length === 4`)
}

// TestCallsScan: a filter that looks at calls one by one shows what it finds and how
// far it is.
func TestCallsScan(t *testing.T) {
	ctx := browser(t)
	o := newOffice(t)
	o.fleet()
	o.scanDelay = 40 * time.Millisecond
	url := serve(t, handlers.Config{Dev: true, API: o.api()})
	messages := chromedp.Console(ctx)
	open(ctx, t, url+"/calls?filter=mos+%3C+3.5&range=7d")
	eventually(ctx, t, `document.querySelector('#rows').dataset.scanned === 'yes'`)
	if n := eval[int](ctx, t, `document.querySelectorAll('#rows tr').length`); n == 0 {
		t.Error("the scan shows nothing")
	}
	if text := eval[string](ctx, t, `document.getElementById('progress').textContent`); !strings.Contains(text, "looked at") {
		t.Errorf("progress says %q", text)
	}
	if got := complaints(ctx, t, messages); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// TestOverviewPicture takes the pictures that README shows, of a fleet with one bad
// region and of a bad call: go test ./handlers -run OverviewPicture -screenshots ../docs/images.
func TestOverviewPicture(t *testing.T) {
	if *screenshots == "" {
		t.Skip("without -screenshots there is no picture")
	}
	ctx := browser(t)
	take := func(o *office, name, path string, height int64) {
		t.Helper()
		url := serve(t, handlers.Config{Dev: true, API: o.api()})
		do(ctx, t, chromedp.EmulateViewport(1440, height))
		open(ctx, t, url+path)
		settle(ctx, t, name)
		png := do(ctx, t, chromedp.CaptureScreenshot())
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fleet := newOffice(t)
	fleet.fleet()
	take(fleet, "overview", "/", 1080)
	busy := newOffice(t)
	busy.busy()
	for _, e := range busy.events {
		if len(e.Event.Intervals) > 0 {
			bad := e.Event
			bad.ID += "-numbers"
			bad.From, bad.To, bad.Region, bad.Intervals = "+14155550187", "+12025550143", "us-east", nil
			busy.add(bad)
			take(busy, "call", "/calls/telnyx/"+bad.CallID, 870)
			return
		}
	}
	t.Error("no call has intervals")
}
