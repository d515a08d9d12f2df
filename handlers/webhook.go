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
}

// webhook takes one webhook: verify, store, answer. 200 means it is durable.
func (a *app) webhook(c echo.Context) error {
	start := a.Now()
	got := a.receive(c)
	got.Took, got.ID = a.Now().Sub(start), got.id
	a.Observe(got.Observation)
	if !got.Outcome.ok() {
		a.logRejected(c, got)
		return got.Outcome.problem()
	}
	if ctx := c.Request().Context(); a.Log.Enabled(ctx, slog.LevelDebug) {
		a.Log.LogAttrs(ctx, slog.LevelDebug, "webhook stored", slog.String("provider", got.Provider), slog.String("raw", got.id),
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
	if !a.Dev && !p.Verifiable(p.Keys) {
		got.Outcome = ProviderOff
		return got
	}
	r := c.Request()
	mediaType, known := acceptableType(r.Header.Get("Content-Type"))
	if !known {
		got.Outcome = BadType
		return got
	}

	given := token(c, p.Keys)
	if !a.Dev && normalizer.Refused(p.Provider, given, p.Keys) {
		got.Outcome, got.err = BadSignature, normalizer.ErrSignature
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
	hook, outcome, err := a.verify(p, &normalizer.Request{
		URL: a.calledURL(r), Header: r.Header, Body: body, Token: given,
		ReceivedAt: a.Now().UTC(), ContentType: mediaType,
	})
	got.Outcome, got.err = outcome, err
	if outcome.ok() {
		got.Key = hook.Body().Key
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

// verify decides by the provider's keys. Development takes what they refuse. An
// error that is no verdict on the signature is our own fault.
func (a *app) verify(p Provider, r *normalizer.Request) (normalizer.Webhook, Outcome, error) {
	hook, err := normalizer.Verify(p.Provider, r, p.Keys)
	if plain := plainURL(r.URL); p.SignsURL && errors.Is(err, normalizer.ErrSignature) && plain != r.URL {
		signed := *r
		signed.URL = plain
		hook, err = normalizer.Verify(p.Provider, &signed, p.Keys)
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

// token is the URL token: the path segment, or the password of basic
// authentication. A slash behind the segment is not of it, unless a configured
// token ends so.
func token(c echo.Context, k normalizer.Keys) string {
	t := plainParam(c, "token")
	if trimmed, ok := strings.CutSuffix(c.Param("token"), "/"); ok && !slices.ContainsFunc(k[normalizer.URLToken], func(s string) bool { return strings.HasSuffix(s, "/") }) {
		t = unescaped(c, trimmed)
	}
	if t == "" {
		_, t, _ = c.Request().BasicAuth()
	}
	return t
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
		log("webhook refused", "provider", got.Provider, "outcome", string(got.Outcome), "bytes", got.Bytes,
			"err", got.err, "request", requestID(c), "remote", c.RealIP(), "suppressed", suppressed)
	}
}
