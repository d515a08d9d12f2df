package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/notifier/slackfake"
)

// logBook keeps what is logged.
type logBook struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// Two thousand incidents open at once in one channel. Slack is asked for no more
// than it allows, and each of them can be found: in the storm's
// thread, in the API and in the log.
func TestStormIsFoundEverywhere(t *testing.T) {
	long(t)
	t.Parallel()
	const many = 2000
	slack, slackURL := fakeSlackServer(t, "#voice")
	book := &logBook{}
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.AdminToken = t.TempDir(), "127.0.0.1:0", adminToken
	cfg.Rules = writeRules(t, failedRule)
	cfg.Providers = map[string]map[string]config.Secret{"butter": {"url_token": butterToken}}
	cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 1}
	// The ten calm minutes that end a storm need not be waited for.
	var ahead atomic.Int64
	cfg.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	a, err := newApp(t.Context(), cfg, serving, slog.New(slog.NewTextHandler(book, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, base := runs(t, a)

	begun := time.Now()
	var senders sync.WaitGroup
	for s := range 8 {
		senders.Go(func() {
			for i := s; i < many; i += 8 {
				failedCall(t, base, butterToken, fmt.Sprintf("call_%04d", i))
			}
		})
	}
	senders.Wait()
	list := func(state string) map[string]int {
		t.Helper()
		found, err := listIncidents(t.Context(), &cli.Remote{URL: base, Token: adminToken}, state)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]int{}
		for i := range found {
			ids[found[i].ID]++
		}
		return ids
	}
	told := func() int { return strings.Count(book.String(), `msg="incident told in a storm"`) }
	within(t, 3*time.Minute, "the storm has its members", func() bool {
		singly := len(slack.Threads()) - 1 // less the storm's own
		return told()+singly >= many
	})
	within(t, 3*time.Minute, "the API has all of them open", func() bool { return len(list("open")) == many })

	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, th := range slack.Threads() {
			t.Log(th.Root.Shown, len(th.Replies))
		}
		t.Logf("%+v", a.announce.Notifier().Status())
	})
	ahead.Store(int64(11 * time.Minute))
	var one string
	for one = range list("open") {
		break
	}
	if code, _, errs := typed(t, base, "incidents", "ack", one); code != 0 {
		t.Fatalf("ack: exit %d\n%s", code, errs)
	}
	within(t, 3*time.Minute, "the storm is over and told to its end", func() bool {
		for _, th := range slack.Threads() {
			if strings.Contains(th.Root.Shown, "Storm over: ") && strings.Contains(replies(th), "The storm is over") {
				return true
			}
		}
		return false
	})

	var shown strings.Builder
	for _, th := range slack.Threads() {
		fmt.Fprintln(&shown, th.Root.Metadata.EventPayload, replies(th))
	}
	slackText, log := shown.String(), book.String()
	missing := map[string]int{}
	all := list("")
	for id, n := range all {
		if n != 1 {
			missing["listed once by the API"]++
		}
		if !strings.Contains(slackText, id) {
			missing["in Slack"]++
		}
		if own := strings.Contains(slackText, "incident:"+id); !own && !strings.Contains(log, "incident="+id+" ") {
			missing["in the log"]++
		}
	}
	if len(all) != many || len(missing) > 0 {
		t.Errorf("%d incidents, of which are not %v", len(all), missing)
	}
	posts, refused := 0, map[string]int{}
	for _, c := range slack.Calls() {
		if c.Error != "" {
			refused[c.Error]++
		}
		if c.Method == "chat.postMessage" {
			posts++
		}
	}
	const burst = 5 // what reaches Slack late may be followed at once by the next
	if most := int(time.Since(begun).Seconds()) + burst; posts > most || len(refused) > 0 {
		t.Errorf("%d posts in the time of %d, refused %v", posts, most, refused)
	}
}

func replies(th slackfake.Thread) string {
	var b strings.Builder
	for _, r := range th.Replies {
		b.WriteString(r.Shown + "\n")
	}
	return b.String()
}
