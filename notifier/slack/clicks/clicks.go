// Package clicks takes what people click in the messages of Slack, by HTTP and by Socket
// Mode: it checks the signature, who may act, and that a click is carried out once. It knows
// the buttons by the ids below and imports of callwatch only notifier/delivery.
package clicks

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callwatch/notifier/delivery"
)

// Kind of an action that a person takes in Slack.
type Kind string

const (
	Ack     Kind = "ack"
	Unack   Kind = "unack"
	Silence Kind = "silence"
	Assign  Kind = "assign" // to who clicked
	Resolve Kind = "resolve"
)

// Action is what a person wants done to an incident. Doing it again changes
// nothing more.
type Action struct {
	ID       string // of the click: the same when Slack delivers it twice
	Incident string
	Kind     Kind
	For      time.Duration // of a silence
	By       Person
	At       time.Time // of the click
}

// Person is who clicked.
type Person struct {
	ID   string // of the user in Slack
	Name string // as the person is called there
}

// Allow says whether a person may act; nil allows everybody in the workspace.
type Allow func(ctx context.Context, user string) (bool, error)

// Act carries an action out. It returns once the action is stored.
type Act func(ctx context.Context, a Action) error

// Ids of the buttons, as they come back with a click. The value of a button is the incident;
// that of an option of IDSilence is the duration, a space, and the incident.
const (
	IDAck     = "callwatch_ack"
	IDUnack   = "callwatch_unack"
	IDSilence = "callwatch_silence"
	IDAssign  = "callwatch_assign"
	IDResolve = "callwatch_resolve"
)

// Errors of interactions.
var (
	ErrSignature   = errors.New("signature is missing or wrong")
	ErrExpired     = errors.New("request is older than five minutes")
	ErrNoAction    = errors.New("interaction is none of ours")
	errInteraction = errors.New("interaction cannot be read")
)

const (
	maxAge          = 5 * time.Minute
	answerIn        = 2500 * time.Millisecond // Slack shows an error after three seconds
	maxSilence      = 7 * 24 * time.Hour
	maxIncidentName = 200
)

// Verify checks Slack's signature v0 of a request: HMAC-SHA256 over version,
// timestamp and body. It returns ErrSignature or ErrExpired.
func Verify(secret delivery.Token, now time.Time, h http.Header, body []byte) error {
	at := h.Get("X-Slack-Request-Timestamp")
	given, ok := strings.CutPrefix(h.Get("X-Slack-Signature"), "v0=")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if secret == "" || !ok || err != nil {
		return ErrSignature
	}
	mac, err := hex.DecodeString(given)
	if err != nil {
		return ErrSignature
	}
	want := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(want, "v0:%s:%s", at, body) // a hash never fails
	if !hmac.Equal(mac, want.Sum(nil)) {
		return ErrSignature
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > maxAge {
		return ErrExpired
	}
	return nil
}

// click is an interaction as far as it concerns us.
type click struct {
	Type string `json:"type"`
	User struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"user"`
	ResponseURL string `json:"response_url"`
	Actions     []struct {
		ID       string `json:"action_id"`
		Value    string `json:"value"`
		TS       string `json:"action_ts"`
		Selected struct {
			Value string `json:"value"`
		} `json:"selected_option"`
	} `json:"actions"`
}

// actionOf reads the action of an interaction's payload. It returns ErrNoAction
// for what asks for nothing, such as a click on a link.
func actionOf(payload []byte) (Action, click, error) {
	var c click
	if err := json.Unmarshal(payload, &c); err != nil {
		return Action{}, c, errInteraction
	}
	if c.Type != "block_actions" || len(c.Actions) == 0 {
		return Action{}, c, ErrNoAction
	}
	clicked := c.Actions[0]
	a := Action{Incident: clicked.Value, By: Person{c.User.ID, c.User.Username}, At: slackTime(clicked.TS)}
	a.By.Name = cmp.Or(a.By.Name, c.User.Name, c.User.ID)
	switch clicked.ID {
	case IDAck:
		a.Kind = Ack
	case IDUnack:
		a.Kind = Unack
	case IDAssign:
		a.Kind = Assign
	case IDResolve:
		a.Kind = Resolve
	case IDSilence:
		a.Kind = Silence
		var length string
		length, a.Incident, _ = strings.Cut(clicked.Selected.Value, " ")
		d, err := time.ParseDuration(length)
		if err != nil || d <= 0 || d > maxSilence {
			return Action{}, c, errInteraction
		}
		a.For = d
	default:
		return Action{}, c, ErrNoAction
	}
	if a.Incident == "" || len(a.Incident) > maxIncidentName || a.By.ID == "" {
		return Action{}, c, errInteraction
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{clicked.ID, a.Incident, a.By.ID, clicked.TS}, "\x00")))
	a.ID = hex.EncodeToString(sum[:12])
	return a, c, nil
}

// slackTime reads a timestamp such as 1773454440.000200; zero for none.
func slackTime(ts string) time.Time {
	whole, _, _ := strings.Cut(ts, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// Handler answers what people click in Slack, by HTTP and by Socket Mode.
type Handler struct {
	Secret delivery.Token // signing secret of the app, for requests by HTTP
	Allow  Allow          // nil: everybody
	Act    Act
	Now    func() time.Time
	Log    *slog.Logger
	Web    *http.Client // tells a person why nothing happened; nil: nobody is told

	done doneClicks
}

const (
	rememberClick = 15 * time.Minute // longer than a signature is taken, whichever clock is ahead
	maxClicks     = 10_000           // remembered
)

// doneClicks are the ids of clicks that were carried out, or are being: a request
// that is sent again does nothing.
type doneClicks struct {
	mu   sync.Mutex
	ids  map[string]time.Time
	list []string // oldest first
}

// begin reports whether the click is new, and remembers it.
func (d *doneClicks) begin(id string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = map[string]time.Time{}
	}
	for len(d.list) > 0 && (len(d.list) > maxClicks || now.Sub(d.ids[d.list[0]]) > rememberClick) {
		delete(d.ids, d.list[0])
		d.list = d.list[1:]
	}
	if _, ok := d.ids[id]; ok {
		return false
	}
	d.ids[id], d.list = now, append(d.list, id)
	return true
}

// failed forgets a click that was not carried out.
func (d *doneClicks) failed(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ids, id)
	d.list = slices.DeleteFunc(d.list, func(o string) bool { return o == id })
}

// Interactions answers signed requests by HTTP: what a handler for POST
// /slack/interactions is to send back, within three seconds. Requests that are
// not Slack's get 401.
func (c *Handler) Interactions(ctx context.Context, h http.Header, body []byte) (status int, answer []byte) {
	if err := Verify(c.Secret, c.Now(), h, body); err != nil {
		c.Log.Warn("Slack interaction refused", "err", err)
		return http.StatusUnauthorized, []byte(err.Error())
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return http.StatusBadRequest, []byte(errInteraction.Error())
	}
	switch err := c.take(ctx, []byte(form.Get("payload"))); {
	case errors.Is(err, errInteraction):
		return http.StatusBadRequest, []byte(err.Error())
	case err != nil:
		return http.StatusServiceUnavailable, []byte("not recorded, please try again")
	default:
		return http.StatusOK, nil
	}
}

// take carries out what a verified payload asks for. An error means that nothing
// was done.
func (c *Handler) take(ctx context.Context, payload []byte) (err error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	a, click, err := actionOf(payload)
	switch {
	case errors.Is(err, ErrNoAction):
		return nil
	case err != nil:
		c.Log.Warn("Slack interaction refused", "err", err)
		return err
	}
	if !c.done.begin(a.ID, c.Now()) {
		c.Log.Warn("Slack action ignored: it was carried out before", "incident", a.Incident, "action", string(a.Kind), "by", a.By.Name)
		return nil
	}
	defer func() {
		if err != nil {
			c.done.failed(a.ID)
		}
	}()
	if c.Allow != nil {
		ok, err := c.Allow(ctx, a.By.ID)
		if err != nil {
			c.Log.Error("cannot tell who may act", "by", a.By.Name, "err", err)
			return fmt.Errorf("check who may act: %w", err)
		}
		if !ok {
			c.Log.Warn("Slack action refused: not in an allowed group", "incident", a.Incident, "action", string(a.Kind), "by", a.By.Name)
			c.tell(ctx, click.ResponseURL, "You are not in a group that may do this.")
			return nil
		}
	}
	if err := c.Act(ctx, a); err != nil {
		c.Log.Error("Slack action failed", "incident", a.Incident, "action", string(a.Kind), "by", a.By.Name, "err", err)
		c.tell(ctx, click.ResponseURL, "That could not be recorded. Please try again.")
		return fmt.Errorf("act on incident: %w", err)
	}
	c.Log.Info("Slack action", "incident", a.Incident, "action", string(a.Kind), "by", a.By.Name)
	return nil
}

// tell answers the person alone, best effort: a failure changes nothing.
func (c *Handler) tell(ctx context.Context, address, text string) {
	if c.Web == nil || !strings.HasPrefix(address, "https://") {
		return
	}
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": text})
	if err == nil {
		err = delivery.PostJSON(ctx, c.Web, delivery.Token(address), delivery.API, body, nil)
	}
	if err != nil {
		c.Log.Debug("answer to a click not delivered", "err", err)
	}
}
