package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/normalizer"
)

// Do sends one request and says what came of it. An error means that nothing was
// learned: the context ended, or the request cannot be made.
func (c *Client) Do(ctx context.Context, ask normalizer.Ask) (Answer, error) {
	return c.do(ctx, ask, func(body []byte) Outcome {
		if c.rest.Holds == nil {
			return Ready
		}
		return outcomeOf(c.rest.Holds(ask, body))
	})
}

// List sends the request for a page of a list, whose body is Ready as it is.
func (c *Client) List(ctx context.Context, ask normalizer.Ask) (Answer, error) {
	return c.do(ctx, ask, func([]byte) Outcome { return Ready })
}

func (c *Client) do(ctx context.Context, ask normalizer.Ask, judge func(body []byte) Outcome) (Answer, error) {
	if answer, held, err := c.admit(ctx); held || err != nil {
		return answer, err
	}
	within, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	answer, err := c.send(within, ask)
	if err == nil && ctx.Err() != nil && answer.Outcome == Down {
		err = ctx.Err()
	}
	if err != nil {
		c.mu.Lock()
		c.circuit.Forget()
		c.mu.Unlock()
		return Answer{}, err
	}
	if answer.Outcome == Ready {
		if answer.Outcome = judge(answer.Body); answer.Outcome == NotYet {
			answer.Body, answer.Reason = nil, "nothing there yet"
		}
	}
	c.learn(&answer)
	return answer, nil
}

// admit waits until a request may be sent, or tells why none is: the circuit is
// open, the provider asked for a pause, or too many wait already.
func (c *Client) admit(ctx context.Context) (answer Answer, held bool, err error) {
	pause, answer, held := c.reserve()
	if held {
		return answer, true, nil
	}
	if pause > 0 {
		if err := c.opts.Wait(ctx, pause); err != nil {
			return Answer{}, false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until, ok := c.circuit.Allow(c.opts.Now()); !ok {
		return circuitOpen(until), true, nil
	}
	return Answer{}, false, nil
}

// reserve takes a place in the rate limit and says how far off it is. Places
// begin where a pause that the provider asked for ends.
func (c *Client) reserve() (pause time.Duration, answer Answer, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	if c.circuit.State(now) == Open {
		return 0, circuitOpen(c.circuit.until), true
	}
	from := now
	if c.hold.until.After(now) {
		from = c.hold.until
	}
	place := c.bucket.ReserveN(from, 1)
	if pause = place.DelayFrom(now); from.Sub(now) > pause {
		pause = from.Sub(now)
	}
	if pause > c.opts.MaxWait {
		place.CancelAt(from)
		return 0, Answer{Outcome: Throttled, Until: now.Add(pause), Reason: "too many requests: waiting"}, true
	}
	return pause, Answer{}, false
}

func circuitOpen(until time.Time) Answer {
	return Answer{Outcome: Down, Until: until, Reason: "the circuit is open"}
}

// learn takes what an answer tells about the provider.
func (c *Client) learn(a *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	if a.Outcome == Down {
		c.circuit.Fail(now)
		if c.circuit.State(now) == Open {
			a.Until = c.circuit.until
		}
		return
	}
	c.circuit.Succeed()
	switch a.Outcome {
	case Throttled:
		pause := a.Until.Sub(now)
		a.Until = c.hold.throttled(now, pause, !a.Until.IsZero())
		return
	case Denied:
		if c.refused.IsZero() {
			c.refused = now
		}
	default:
		c.refused = time.Time{}
	}
	c.hold.answered()
}

func (c *Client) send(ctx context.Context, ask normalizer.Ask) (Answer, error) {
	req, err := c.request(ctx, ask)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{Outcome: Down, Reason: reasonOf(err)}, nil
	}
	defer func() { _ = resp.Body.Close() }()
	a := Answer{Status: resp.StatusCode, Reason: fmt.Sprintf("status %d", resp.StatusCode)}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound, status == http.StatusNoContent:
		a.Outcome = NotYet
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		a.Outcome = Denied
	case status == http.StatusTooManyRequests:
		a.Outcome = Throttled
		now := c.opts.Now()
		if pause, told := pauseOf(resp.Header, now); told {
			a.Until = now.Add(pause)
		}
	case status == http.StatusRequestTimeout, status >= 500:
		a.Outcome = Down
	case status < 200, status > 299:
		a.Outcome = Broken
	default:
		a.read(resp)
	}
	if a.Outcome != Ready {
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10) // so that the connection can be used again
	}
	return a, nil
}

// request makes the HTTP request. The path must lead where it seems to.
func (c *Client) request(ctx context.Context, ask normalizer.Ask) (*http.Request, error) {
	u := *c.base
	path, err := url.PathUnescape(ask.Path)
	if err != nil || !strings.HasPrefix(ask.Path, "/") || strings.HasPrefix(ask.Path, "//") || strings.ContainsAny(ask.Path, "?#\\") || dotted(ask.Path) {
		return nil, errors.New("the path of the request leads elsewhere")
	}
	u.Path, u.RawPath = c.base.Path+path, c.base.EscapedPath()+ask.Path
	u.RawQuery = ask.Query.Encode()
	method, body := http.MethodGet, []byte(nil)
	if ask.Method != "" {
		method, body = ask.Method, ask.Body
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	c.rest.Authorize(req.Header, c.keys)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "callwatch")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// dotted says whether a path has a segment that means another folder.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return true
		}
	}
	return false
}
