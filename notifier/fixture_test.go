package notifier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/output"
	"callwatch/notifier/slack"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

const (
	token   = "xoxb-1234-very-secret"
	channel = "#voice"
)

// memory is a ledger in memory with compare-and-set.
type memory struct {
	mu    sync.Mutex
	pages map[string][]byte
	revs  map[string]uint64
	fail  int // the next so many saves fail
	saves int
	last  int                 // the number of the last save that is taken; 0 for no limit
	past  []map[string][]byte // pages after each save
}

func newMemory() *memory { return &memory{pages: map[string][]byte{}, revs: map[string]uint64{}} }

func (m *memory) Load(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.pages[key]), m.revs[key], nil
}

func (m *memory) Save(_ context.Context, key string, value []byte, rev uint64) (uint64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.last > 0 && m.saves > m.last {
		return 0, false, errors.New("the process has died")
	}
	if m.fail > 0 {
		m.fail--
		return 0, false, fmt.Errorf("store is away")
	}
	if m.revs[key] != rev {
		return 0, false, nil
	}
	m.pages[key] = slices.Clone(value)
	m.revs[key]++
	m.past = append(m.past, maps.Clone(m.pages))
	return m.revs[key], true, nil
}

func (m *memory) failNext(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = n
}

// dieAfter takes n more saves; -1 takes all.
func (m *memory) dieAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last = m.saves + n; n < 0 {
		m.last = 0
	}
}

func (m *memory) failing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail > 0
}

// clock is a time that only tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) to(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = notifier.Later(c.t, t)
}

// scene is a notifier with its ledger, before a fake Slack, in a time of its own.
type scene struct {
	t      *testing.T
	clock  *clock
	fake   *slackfake.Server
	ledger *memory
	cfg    config
	n      *notifier.Notifier
	log    bytes.Buffer
	seq    uint64
	stream []rules.Transition
}

func newScene(t *testing.T, channels ...string) *scene {
	t.Helper()
	s := &scene{t: t, clock: &clock{t: notifiertest.T0}, ledger: newMemory()}
	s.fake = slackfake.New(slackfake.Config{Now: s.clock.now, Token: token, Channels: channels})
	server := httptest.NewServer(s.fake)
	t.Cleanup(server.Close)
	s.cfg = config{Token: token, APIURL: server.URL + "/api/", Channel: channel, Timeout: 5 * time.Second, Title: notifiertest.Title}
	s.restart()
	return s
}

// restart puts a new notifier on the same ledger, as after a crash.
func (s *scene) restart() {
	s.n = notifier.New(s.cfg.notifier(), s.ledger, s.clock.now, slog.New(slog.NewTextHandler(&s.log, nil)))
}

// config is what a test sets of the notifier and its receivers.
type config struct {
	Token       delivery.Token
	WebhookURL  delivery.Token
	APIURL      string
	Channel     string
	Rate        float64
	Timeout     time.Duration
	Buttons     bool
	MaskOutputs bool
	Title       func(string) string
	Storm       func(channel string) rules.Storm
	Outputs     map[string]outputConfig
	Workspaces  map[string]slack.Config // beside the usual one
	Older       func() bool
}

type outputConfig struct {
	Webhook, Secret, Alertmanager delivery.Token
}

func (c *config) slack() slack.Config {
	return slack.Config{Token: c.Token, APIURL: c.APIURL, Timeout: c.Timeout, Buttons: c.Buttons, Title: c.Title}
}

func (c *config) notifier() notifier.Config {
	n := notifier.Config{
		Channel: c.Channel, Rate: c.Rate, Timeout: c.Timeout, Storm: c.Storm,
		Outputs: map[string]notifier.Output{}, Older: c.Older,
	}
	n.Workspaces = map[string]notifier.Messenger{}
	if c.Token != "" {
		n.Workspaces[""] = slack.New(c.slack())
	}
	for name, w := range c.Workspaces {
		n.Workspaces[name] = slack.New(w)
	}
	if c.Token == "" && c.WebhookURL != "" {
		n.Incoming = slack.NewIncoming(c.WebhookURL, c.Timeout, c.Rate, c.slack())
	}
	for name, o := range c.Outputs {
		if o.Alertmanager != "" {
			n.Outputs[name] = output.NewAlertmanager(o.Alertmanager, c.Timeout, slack.NewPlain(c.slack()))
			continue
		}
		n.Outputs[name] = output.NewWebhook(o.Webhook, o.Secret, c.Timeout, c.MaskOutputs)
	}
	return n
}

// replay hands in what a restarted program would: all behind settled.
func (s *scene) replay(settled uint64) {
	s.t.Helper()
	for i := settled; i < uint64(len(s.stream)); i++ {
		if err := s.n.Handle(s.t.Context(), i+1, s.stream[i]); err != nil {
			s.t.Fatal(err)
		}
	}
}

// handle puts a transition at the end of the stream and hands it in.
func (s *scene) handle(step rules.Step, in rules.Incident) {
	s.t.Helper()
	s.seq++
	tr := rules.Transition{Step: step, At: in.UpdatedAt, Cause: rules.Cause{Seq: s.seq}, Incident: in}
	s.stream = append(s.stream, tr)
	if err := s.n.Handle(s.t.Context(), s.seq, tr); err != nil {
		s.t.Fatal(err)
	}
}

// until delivers all that is due up to a time.
func (s *scene) until(end time.Time) {
	s.t.Helper()
	for range 10_000 {
		due := s.n.Deliver(s.t.Context())
		if due.IsZero() || due.After(end) {
			s.clock.to(end)
			return
		}
		s.clock.to(due)
	}
	s.t.Fatal("delivery makes no progress")
}

// drain delivers until nothing is left.
func (s *scene) drain() {
	s.t.Helper()
	for range 10_000 {
		due := s.n.Deliver(s.t.Context())
		if due.IsZero() {
			return
		}
		s.clock.to(due)
	}
	s.t.Fatal("delivery makes no progress")
}

// count is how many calls of a method Slack answered with ok.
func (s *scene) count(method string) (n int) {
	for _, c := range s.fake.Calls() {
		if c.Method == method && c.Error == "" {
			n++
		}
	}
	return n
}

// names are the messages of a thread by their metadata, root first.
func names(th slackfake.Thread) string {
	out := []string{fmt.Sprint(th.Root.Metadata.EventPayload["transition"])}
	for _, r := range th.Replies {
		out = append(out, fmt.Sprint(r.Metadata.EventPayload["transition"]))
	}
	return strings.Join(out, " ")
}

// receiver is the status of a receiver.
func (s *scene) receiver(name string) notifier.ChannelStatus {
	s.t.Helper()
	for _, c := range s.n.Status().Channels {
		if c.Channel == name {
			return c
		}
	}
	s.t.Fatalf("no receiver %q", name)
	return notifier.ChannelStatus{}
}

func threadNames(ths []slackfake.Thread) (all []string) {
	for _, th := range ths {
		all = append(all, th.Channel+": "+names(th))
	}
	return all
}

// one is the only thread there is.
func (s *scene) one() slackfake.Thread {
	s.t.Helper()
	ths := s.fake.Threads()
	if len(ths) != 1 {
		s.t.Fatalf("%d threads, want 1: %v", len(ths), threadNames(ths))
	}
	return ths[0]
}

const wholeThread = "root opened escalated/critical resolved"

// wantDone demands a thread with every message once, the root resolved, and
// nothing left to do.
func (s *scene) wantDone(th slackfake.Thread) {
	s.t.Helper()
	if got := names(th); got != wholeThread {
		s.t.Errorf("thread has %q, want %q", got, wholeThread)
	}
	if !strings.Contains(th.Root.Shown, "Resolved") {
		s.t.Errorf("root does not show the latest state:\n%s", th.Root.Shown)
	}
	if st := s.n.Status(); st.Pending != 0 || st.Settled != s.seq {
		s.t.Errorf("pending %d, settled %d; want 0 and %d", st.Pending, st.Settled, s.seq)
	}
}
