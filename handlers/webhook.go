package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/normalizer"
)

// accepted is the answer to a webhook that is durable.
type accepted struct {
	Status string `json:"status"`
	ID     string `json:"id"`
}

// reception is what became of one webhook request. err is the cause for the log.
type reception struct {
	Observation
	id  string
	err error

	tested  bool // a test that was verified
	events  int  // of a test
	guesses bool // the sender has shown too many wrong tokens
}

// webhook takes one webhook: verify, store, answer. 200 means it is durable.
func (a *app) webhook(c echo.Context) error {
	start := a.Now()
	got := a.receive(c)
	if got.tested {
		return a.answerTest(c, got)
	}
	got.Took, got.ID, got.Parent = a.Now().Sub(start), got.id, c.Request().Header.Get("traceparent")
	a.Observe(got.Observation)
	if !got.Outcome.ok() {
		a.logRejected(c, got)
		if got.guesses {
			return access.TooManyGuesses(c, access.ProgramLimit)
		}
		return got.Outcome.problem()
	}
	if ctx := c.Request().Context(); a.Log.Enabled(ctx, slog.LevelDebug) {
		a.Log.LogAttrs(ctx, slog.LevelDebug, "webhook stored", slog.String("provider", call.Source(got.Provider, got.Account)), slog.String("raw", got.id),
			slog.String("request", requestID(c)), slog.String("outcome", string(got.Outcome)), slog.String("key", got.Key), slog.Int("bytes", got.Bytes), slog.Duration("took", got.Took))
	}
	answer, err := json.Marshal(accepted{"accepted", got.id})
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, answer)
}

func (a *app) receive(c echo.Context) (got reception) {
	defer func() {
		if v := recover(); v != nil {
			got.Outcome = Broken
			a.Log.Error("panic while taking a webhook", "provider", got.Provider, "err", v, "request", requestID(c), "stack", string(debug.Stack()))
		}
	}()
	p, known := a.providers[plainParam(c, "provider")]
	if !known {
		got.Provider, got.Outcome = "unknown", UnknownProvider
		return got
	}
	got.Provider = p.Name
	to := p.addressee(c)
	got.Account = to.only()
	if !a.Dev && !to.verifiable(p.Provider) {
		got.Outcome = ProviderOff
		return got
	}
	r := c.Request()
	mediaType, known := acceptableType(r.Header.Get("Content-Type"))
	if !known {
		got.Outcome = BadType
		return got
	}
	test := r.Header.Get(TestHeader) != ""
	if !a.Dev && to.refuses(p.Provider) || test && !a.mayTest(c) {
		got.Outcome, got.err = BadSignature, normalizer.ErrSignature
		got.guesses = a.gate.Guesses.Wrong(c.RealIP(), access.ProgramLimit, a.Now())
		return got
	}
	held := a.inFlight.Grant(r.Context())
	defer held.Close()
	body, outcome := a.readBody(c.Response(), r, held)
	got.Bytes, got.Outcome = len(body), outcome
	if outcome != Accepted {
		return got
	}
	if mediaType == "" {
		mediaType = guessType(body)
	}
	hook, outcome, err := a.verify(p, &to, &normalizer.Request{
		URL: a.calledURL(r), Header: r.Header, Body: body, Token: to.token,
		ReceivedAt: a.Now().UTC(), ContentType: mediaType,
	})
	got.Outcome, got.err = outcome, err
	if outcome == BadSignature && to.token != "" {
		got.guesses = a.gate.Guesses.Wrong(c.RealIP(), access.ProgramLimit, a.Now())
	}
	if outcome.ok() {
		got.Key, got.Account = hook.Body().Key, hook.Body().Account
		if test && a.Test != nil {
			got.events, got.err = a.Test(hook.Body())
			got.tested = true
			return got
		}
		a.store(r.Context(), hook, &got)
	}
	return got
}

// store outlives a sender that hung up: what is complete and verified is kept.
func (a *app) store(ctx context.Context, hook normalizer.Webhook, got *reception) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Timeouts.Store)
	defer cancel()
	if got.id, got.err = a.Store(ctx, hook.Body()); got.err != nil {
		got.Outcome = Unavailable
	}
}

// verify decides by the keys of the accounts. Development takes what they refuse. An
// error that is no verdict on the signature is our own fault.
func (a *app) verify(p Provider, to *addressee, r *normalizer.Request) (normalizer.Webhook, Outcome, error) {
	r.Account = to.only()
	hook, err := to.verify(p.Provider, r)
	if plain := plainURL(r.URL); p.SignsURL && errors.Is(err, normalizer.ErrSignature) && plain != r.URL {
		signed := *r
		signed.URL = plain
		hook, err = to.verify(p.Provider, &signed)
	}
	switch {
	case err == nil:
		return hook, Accepted, nil
	case a.Dev:
		return normalizer.Trust(p.Provider, r), Unverified, nil
	case errors.Is(err, normalizer.ErrStale):
		return hook, Stale, err
	case errors.Is(err, normalizer.ErrSignature):
		return hook, BadSignature, err
	case errors.Is(err, normalizer.ErrOff):
		return hook, ProviderOff, err
	default:
		return hook, Broken, err
	}
}

// plainURL is a webhook's URL less a slash behind its path and an empty query. A
// sender or a proxy may add them behind what was signed: it is the same webhook.
func plainURL(address string) string {
	path, query, ok := strings.Cut(address, "?")
	path = strings.TrimSuffix(path, "/")
	if ok && query != "" {
		return path + "?" + query
	}
	return path
}

// calledURL is the URL as the provider called and signed it.
func (a *app) calledURL(r *http.Request) string {
	base := strings.TrimRight(a.PublicURL, "/")
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	if strings.HasPrefix(r.RequestURI, "/") {
		return base + r.RequestURI // exactly as sent
	}
	return base + r.URL.RequestURI()
}

// token is the URL token of the path. A slash behind the segment is not of it, unless a
// configured token ends so.
func token(c echo.Context, accounts []Account) string {
	trimmed, ok := strings.CutSuffix(c.Param("token"), "/")
	ends := func(s string) bool { return strings.HasSuffix(s, "/") }
	if ok && !slices.ContainsFunc(accounts, func(a Account) bool { return slices.ContainsFunc(a.Keys[normalizer.URLToken], ends) }) {
		return unescaped(c, trimmed)
	}
	return plainParam(c, "token")
}

// plainParam is a parameter of the path less the escapes with which the router
// matched it.
func plainParam(c echo.Context, name string) string { return unescaped(c, c.Param(name)) }

func unescaped(c echo.Context, s string) string {
	if c.Request().URL.RawPath == "" {
		return s // the router matched the plain path
	}
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// logRejected names the reason that the answer keeps to itself.
func (a *app) logRejected(c echo.Context, got reception) {
	log := a.Log.Warn
	if got.Outcome == Unavailable || got.Outcome == Broken {
		log = a.Log.Error
	}
	if suppressed, ok := a.rejections.pass(got.Provider+" "+string(got.Outcome), a.Now()); ok {
		log("webhook refused", "provider", call.Source(got.Provider, got.Account), "outcome", string(got.Outcome), "bytes", got.Bytes,
			"err", got.err, "request", requestID(c), "remote", c.RealIP(), "suppressed", suppressed)
	}
}
