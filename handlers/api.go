package handlers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

// API is what the programs' interface under /api/v1 shows and does. Its
// functions may be called by many requests at once.
type API struct {
	// Tokens are the digests of the bearer tokens that open it, several during
	// rotation. Without one it answers 403, but in Dev, where it needs none.
	Tokens []TokenDigest

	Open     func() []rules.Incident                                 // the open incidents
	Latest   func(ctx context.Context) ([]rules.Incident, error)     // the latest of every rule and key, resolved ones too
	Silences func() []rules.Silence                                  // those in force
	Health   func() []rules.Health                                   // of every rule
	Rules    func() RulesFile                                        // where the rules come from
	Reload   func(ctx context.Context) (RulesFile, error)            // reads the rules file again
	Progress func() Progress                                         // how far judging has come
	Mark     func(ctx context.Context, a rules.Action) (bool, error) // false: stored, but not judged yet
	Work     Work                                                    // on what is stored; nil for none
}

// TokenDigest is a bearer token as it is kept: its SHA-256.
type TokenDigest [sha256.Size]byte

// DigestOf is the digest of a token.
func DigestOf(token string) TokenDigest { return sha256.Sum256([]byte(token)) }

// RulesFile is where the rules in force come from, and what is wrong with what
// stands there now.
type RulesFile struct {
	Path     string         `json:"path"`
	Digest   string         `json:"digest"` // of the content in force
	Rules    int            `json:"rules"`
	LoadedAt time.Time      `json:"loadedAt"`
	Pending  bool           `json:"pending,omitempty"`  // a newer content is taken in with the next event
	Error    string         `json:"error,omitempty"`    // the file cannot be read: the rules in force stay
	Problems rules.Problems `json:"problems,omitempty"` // with an error among them the rules in force stay
}

// Refused says whether the file's present content is not in force because of
// what is wrong with it.
func (f RulesFile) Refused() bool { return f.Error != "" || f.Problems.Errors() }

// Trouble is why the file's present content is not in force, in one line without
// what stands in it; "" when it is.
func (f RulesFile) Trouble() string {
	switch {
	case !f.Refused():
		return ""
	case f.Error != "":
		return f.Error + "; the rules in force stay"
	}
	errs := 0
	for _, p := range f.Problems {
		if p.IsError() {
			errs++
		}
	}
	if errs == 1 {
		return "the rules file has 1 error; the rules in force stay"
	}
	return fmt.Sprintf("the rules file has %d errors; the rules in force stay", errs)
}

// Progress is how far judging has come.
type Progress struct {
	Sequence uint64 `json:"sequence"` // in the event stream
	Calls    int    `json:"calls"`    // that are kept
}

// maxRequest bounds the body of an API request in bytes.
const maxRequest = 64 << 10

func (a *app) routeAPI(e *echo.Echo) {
	api := e.Group("/api/v1", a.authorize)
	api.GET("/status", a.status)
	api.GET("/incidents", a.listIncidents)
	api.GET("/incidents/:id", a.showIncident)
	api.POST("/incidents/:id/ack", a.acknowledge(rules.Acknowledge))
	api.POST("/incidents/:id/unack", a.acknowledge(rules.Unacknowledge))
	api.GET("/silences", a.listSilences)
	api.POST("/silences", a.addSilence)
	api.DELETE("/silences/:id", a.expireSilence)
	api.GET("/rules", a.listRules)
	api.POST("/rules/reload", a.reloadRules)
	if a.API.Work != nil {
		api.POST("/work/:name", a.doWork)
	}
}

// authorize lets in who has a token. In development the listener is loopback,
// and requests by other hosts' names or pages are refused before.
func (a *app) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		switch {
		case a.Dev && isLoopback(c.RealIP()):
			return next(c)
		case len(a.API.Tokens) == 0:
			return &problem{status: http.StatusForbidden, title: "API is off", detail: "Set CALLWATCH_ADMIN_TOKEN to open it."}
		case !a.API.opens(c.Request().Header.Get(echo.HeaderAuthorization)):
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="callwatch"`)
			return &problem{status: http.StatusUnauthorized, title: "Unauthorized", detail: "A valid bearer token is needed."}
		}
		return next(c)
	}
}

// opens compares digests, so that neither content nor length of a token shows in
// the time it takes.
func (api *API) opens(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	given, open := DigestOf(strings.TrimSpace(token)), 0
	for _, want := range api.Tokens {
		open |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return open == 1 && strings.EqualFold(scheme, "Bearer")
}

// readRequest reads the JSON body of a request: one value, known members only.
func readRequest(c echo.Context, into any) error {
	if t, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType)); err != nil || t != echo.MIMEApplicationJSON {
		return &problem{status: http.StatusUnsupportedMediaType, title: "Unsupported media type", detail: "Send application/json."}
	}
	d := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, maxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &problem{status: http.StatusRequestEntityTooLarge, title: "Too large", detail: "The body may have 64 KiB at most."}
	}
	return &problem{status: http.StatusBadRequest, title: "Bad request", detail: "The body is not the JSON that is expected here: " + err.Error()}
}

// mark stores what a person does and answers the status of it: 202 while judging
// has not come so far.
func (a *app) mark(c echo.Context, action rules.Action, done int) (int, error) {
	if err := action.Check(); err != nil {
		return 0, unprocessable(err)
	}
	seen, err := a.API.Mark(c.Request().Context(), action)
	switch {
	case err != nil:
		a.Log.Error("request not stored", "route", c.Path(), "err", err, "request", requestID(c))
		return 0, &problem{status: http.StatusServiceUnavailable, title: "Not stored", detail: "The request could not be made durable; try again."}
	case !seen:
		return http.StatusAccepted, nil
	}
	return done, nil
}

// unprocessable says what is wrong with a request that was understood.
func unprocessable(err error) error {
	p := &problem{status: http.StatusUnprocessableEntity, title: "Cannot be done", detail: err.Error()}
	var problems rules.Problems
	if errors.As(err, &problems) {
		p.detail, p.problems = "The condition cannot be used.", problems
	}
	return p
}

func (a *app) status(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), checkTime)
	defer cancel()
	ready := a.Ready(ctx)
	return c.JSON(http.StatusOK, struct {
		Version   any       `json:"version"`
		Ready     bool      `json:"ready"`
		Checks    []Check   `json:"checks"`
		Rules     RulesFile `json:"rules"`
		Judged    Progress  `json:"judged"`
		Incidents int       `json:"incidentsOpen"`
		Silences  int       `json:"silences"`
	}{a.Version, ready.Ready(), ready.Checks, a.API.Rules(), a.API.Progress(), len(a.API.Open()), len(a.API.Silences())})
}
