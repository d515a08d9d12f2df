package clicks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
)

const signing = "8f742231b10e8888abcd99yyyzzz85a5"

// handler takes every action into *took.
func handler(now func() time.Time, took *[]Action) *Handler {
	return &Handler{
		Secret: signing, Now: now, Log: slog.New(slog.DiscardHandler),
		Act: func(_ context.Context, a Action) error {
			*took = append(*took, a)
			return nil
		},
	}
}

// TestSlackSignature has the example of Slack's documentation.
func TestSlackSignature(t *testing.T) {
	body := []byte("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
	at := time.Unix(1531420618, 0)
	header := func(stamp, signature string) http.Header {
		h := http.Header{}
		h.Set("X-Slack-Request-Timestamp", stamp)
		h.Set("X-Slack-Signature", signature)
		return h
	}
	const good = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	for name, c := range map[string]struct {
		h    http.Header
		now  time.Time
		want error
	}{
		"right":                {header("1531420618", good), at.Add(5 * time.Minute), nil},
		"from the future":      {header("1531420618", good), at.Add(-5 * time.Minute), nil},
		"too old":              {header("1531420618", good), at.Add(5*time.Minute + time.Second), ErrExpired},
		"too far ahead":        {header("1531420618", good), at.Add(-5*time.Minute - time.Second), ErrExpired},
		"another time":         {header("1531420619", good), at, ErrSignature},
		"another version":      {header("1531420618", "v1"+good[2:]), at, ErrSignature},
		"cut off":              {header("1531420618", good[:40]), at, ErrSignature},
		"not hexadecimal":      {header("1531420618", "v0=zz"), at, ErrSignature},
		"nothing":              {http.Header{}, at, ErrSignature},
		"time is not a number": {header("yesterday", good), at, ErrSignature},
	} {
		if err := Verify(signing, c.now, c.h, body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := Verify("", at, header("1531420618", good), body); !errors.Is(err, ErrSignature) {
		t.Errorf("without a secret: %v", err)
	}
}

func TestInteractionAnswers(t *testing.T) {
	now := func() time.Time { return notifiertest.T0 }
	good := []byte(`{"type":"block_actions","user":{"id":"U1","name":"ben"},"actions":[{"action_id":"callwatch_ack","value":"inc","action_ts":"1.2"}]}`)
	for name, c := range map[string]struct {
		payload string
		change  func(*Handler)
		status  int
		acts    int
	}{
		"good":                   {string(good), nil, 200, 1},
		"allowed":                {string(good), func(c *Handler) { c.Allow = allow(true, nil) }, 200, 1},
		"not allowed":            {string(good), func(c *Handler) { c.Allow = allow(false, nil) }, 200, 0},
		"nobody knows":           {string(good), func(c *Handler) { c.Allow = allow(false, errors.New("away")) }, 503, 0},
		"wrong secret":           {string(good), func(c *Handler) { c.Secret = "other" }, 401, 0},
		"no secret":              {string(good), func(c *Handler) { c.Secret = "" }, 401, 0},
		"store is away":          {string(good), func(c *Handler) { c.Act = func(context.Context, Action) error { return errors.New("away") } }, 503, 0},
		"no JSON":                {"nope", nil, 400, 0},
		"another kind":           {`{"type":"view_submission"}`, nil, 200, 0},
		"somebody else's":        {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"x","value":"inc"}]}`, nil, 200, 0},
		"no incident":            {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_ack"}]}`, nil, 400, 0},
		"assign without anybody": {`{"type":"block_actions","user":{},"actions":[{"action_id":"callwatch_assign","value":"inc","action_ts":"1.2"}]}`, nil, 400, 0},
		"assign without a name":  {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_assign","value":"inc","action_ts":"1.2"}]}`, nil, 200, 1},
		"resolve, not allowed":   {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_resolve","value":"inc","action_ts":"1.2"}]}`, func(c *Handler) { c.Allow = allow(false, nil) }, 200, 0},
		"silence without end":    {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_silence","selected_option":{"value":"9999h inc"}}]}`, nil, 400, 0},
		"silence without start":  {`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_silence","selected_option":{"value":"-1h inc"}}]}`, nil, 400, 0},
	} {
		var took []Action
		h := handler(now, &took)
		if c.change != nil {
			c.change(h)
		}
		header, body := slackfake.Request(signing, notifiertest.T0, []byte(c.payload))
		status, _ := h.Interactions(t.Context(), header, body)
		if status != c.status || len(took) != c.acts {
			t.Errorf("%s: status %d and %d actions, want %d and %d", name, status, len(took), c.status, c.acts)
		}
	}
}

func allow(ok bool, err error) Allow {
	return func(context.Context, string) (bool, error) { return ok, err }
}

func TestSocketModeTakesClicks(t *testing.T) {
	fake := slackfake.New(slackfake.Config{Now: time.Now, Token: "xoxb-1234"})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	var took []Action
	c := handler(time.Now, &took)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Listen(ctx, "xapp-1", server.URL+"/api/") }()
	for {
		changed := fake.Changed()
		if fake.Connected() {
			break
		}
		<-changed
	}
	payload := []byte(`{"type":"block_actions","user":{"id":"U1","username":"ana"},"actions":[{"action_id":"callwatch_unack","value":"inc","action_ts":"1.2"}]}`)
	if err := fake.Deliver(t.Context(), payload); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen: %v", err)
	}
	if len(took) != 1 || took[0].Kind != Unack || took[0].By.Name != "ana" || took[0].Incident != "inc" {
		t.Errorf("took %+v", took)
	}
}

func FuzzInteraction(f *testing.F) {
	f.Add([]byte(`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"callwatch_silence","selected_option":{"value":"1h inc"}}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, _, err := actionOf(payload)
		if err == nil && (a.Incident == "" || len(a.Incident) > maxIncidentName || a.By.ID == "" || a.For < 0 || a.For > maxSilence || a.Kind == "") {
			t.Errorf("action %+v", a)
		}
	})
}

// TestReplayedClickDoesNothing sends signed requests again: within the time that a
// signature is taken the action is carried out once.
func TestReplayedClickDoesNothing(t *testing.T) {
	now := notifiertest.T0
	var took []Action
	fail := false
	c := handler(func() time.Time { return now }, &took)
	record := c.Act
	c.Act = func(ctx context.Context, a Action) error {
		if fail {
			return errors.New("store is away")
		}
		return record(ctx, a)
	}
	send := func(action, ts string) int {
		payload := `{"type":"block_actions","user":{"id":"U0ANA","username":"ana"},"actions":[{"action_id":"` + action + `","value":"bad-call-1","action_ts":"` + ts + `"}]}`
		body := []byte("payload=" + url.QueryEscape(payload))
		stamp := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(signing))
		mac.Write([]byte("v0:" + stamp + ":" + string(body)))
		h := http.Header{}
		h.Set("X-Slack-Request-Timestamp", stamp)
		h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
		status, _ := c.Interactions(t.Context(), h, body)
		return status
	}
	for i, step := range []struct {
		action, ts string
		fail       bool
		status     int
		done       int
	}{
		{IDAck, "1773454440.000100", false, 200, 1},
		{IDAck, "1773454440.000100", false, 200, 1}, // again
		{IDUnack, "1773454450.000100", false, 200, 2},
		{IDAck, "1773454440.000100", false, 200, 2}, // an old one, to undo the last
		{IDAck, "1773454460.000100", true, 503, 2},  // failed: may be sent again
		{IDAck, "1773454460.000100", false, 200, 3},
		{IDAck, "1773454460.000100", false, 200, 3},
		{IDAssign, "1773454470.000100", false, 200, 4},
		{IDAssign, "1773454470.000100", false, 200, 4},
		{IDResolve, "1773454480.000100", false, 200, 5},
		{IDResolve, "1773454480.000100", false, 200, 5},
	} {
		fail = step.fail
		if got := send(step.action, step.ts); got != step.status || len(took) != step.done {
			t.Errorf("request %d: status %d, %d actions; want %d and %d", i, got, len(took), step.status, step.done)
		}
		now = now.Add(40 * time.Second)
	}
	var d doneClicks
	for i := range 3 * maxClicks {
		d.begin(strconv.Itoa(i), notifiertest.T0)
	}
	if len(d.list) > maxClicks+1 || len(d.ids) != len(d.list) {
		t.Errorf("%d clicks are remembered", len(d.list))
	}
}
