package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/rig"
)

// forge changes signed webhooks in every way: none may be taken.
func forge(t *rig.Trial) error {
	r, err := t.Rig(1, 0.2)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Start(); err != nil {
		return err
	}
	traffic, err := r.Traffic(t.Seed, 100, 0.2)
	if err != nil {
		return err
	}
	genuine := slices.DeleteFunc(slices.Collect(traffic), func(q simulate.Request) bool { return q.Expect == simulate.Refused })
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	var sent, accepted, odd atomic.Int64
	kinds := forgeries()
	many := int64(t.Times(8000, 1_000_000))
	var mu sync.Mutex
	var sending sync.WaitGroup
	for worker := range 32 {
		dice := rand.New(rand.NewPCG(t.Seed, uint64(worker)))
		sending.Go(func() {
			for t.Err() == nil && sent.Load() < many {
				q := &genuine[dice.IntN(len(genuine))]
				req, err := q.Sign(t, simulate.Target{URL: r.URL()}, time.Now())
				if err != nil {
					continue
				}
				k := kinds[dice.IntN(len(kinds))]
				if !k.change(req, q, r.URL(), dice) {
					continue
				}
				res, err := client.Do(req)
				if err != nil {
					continue // a header the client itself refuses to send
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				switch sent.Add(1); {
				case res.StatusCode == http.StatusOK:
					if accepted.Add(1) > 5 {
						break // five examples are enough
					}
					mu.Lock()
					t.Say("accepted: %s of %s", k.name, q)
					mu.Unlock()
				case res.StatusCode >= 500:
					odd.Add(1)
				}
			}
		})
	}
	sending.Wait()
	// The same webhooks as they were signed are taken: what was refused was refused
	// for its forgery.
	r.Load.Requests = slices.Values(genuine)
	r.Load.Begin()
	r.Load.Drain()
	err = t.Finish(r.Product, r.Checker, "%d genuine ones after them", len(genuine))
	stored := t.Verdict.Stored - t.Verdict.Acked
	t.Count("%d forgeries of %d kinds, %d accepted, %d stored, %d answered as our fault", sent.Load(), len(kinds), accepted.Load(), stored, odd.Load())
	switch {
	case accepted.Load()+odd.Load() > 0 || stored != 0 || sent.Load() < many:
		return errors.Join(err, fmt.Errorf("%d accepted, %d stored, %d answered 5xx, %d of %d sent", accepted.Load(), stored, odd.Load(), sent.Load(), many))
	case int(r.Load.Acked.Load()) != len(genuine): // the traffic repeats some: those share the id of the first
		return errors.Join(err, fmt.Errorf("%d of %d genuine webhooks were taken", r.Load.Acked.Load(), len(genuine)))
	}
	return err
}

// forgery changes a genuine request; false where it cannot be changed so.
type forgery struct {
	name   string
	change func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool
}

func forgeries() []forgery {
	return []forgery{
		{"a bit of the body", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			if byToken(req, q) || len(q.Body) == 0 {
				return false
			}
			b := slices.Clone(q.Body)
			b[dice.IntN(len(b))] ^= 1 << dice.IntN(8)
			return !sameForm(q, b) && setBody(req, b)
		}},
		{"a shorter body", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			if byToken(req, q) || len(q.Body) < 2 {
				return false
			}
			b := q.Body[:dice.IntN(len(q.Body))]
			return !sameForm(q, b) && setBody(req, b)
		}},
		{"a character of the signature", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			return !byToken(req, q) && changeSignature(req, func(s string) string {
				b := []byte(s)
				// Not the last ones: bits that base64 pads with mean nothing.
				i := dice.IntN(max(1, len(b)-4))
				b[i] = map[bool]byte{true: '1', false: '2'}[b[i] != '1']
				return string(b)
			})
		}},
		{"a truncated signature", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			return !byToken(req, q) && changeSignature(req, func(s string) string { return s[:dice.IntN(max(1, len(s)-4))] })
		}},
		{"no signature", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			return !byToken(req, q) && changeSignature(req, func(string) string { return "" })
		}},
		{"another token", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			if !byToken(req, q) {
				return false
			}
			i := strings.LastIndexByte(req.URL.Path, '/')
			b := []byte(req.URL.Path)
			at := i + 1 + dice.IntN(len(b)-i-1)
			b[at] = map[bool]byte{true: '1', false: '2'}[b[at] != '1']
			req.URL.Path = string(b)
			return true
		}},
		{"another provider's address", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			names := slices.DeleteFunc(registry.Simulators().Names(), func(p string) bool { return p == q.Provider })
			u, err := url.Parse(strings.Replace(req.URL.String(), "/webhooks/"+q.Provider, "/webhooks/"+names[dice.IntN(len(names))], 1))
			req.URL = u
			return err == nil
		}},
		{"signed with another key", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			other, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{byte(dice.IntN(250)), 1}))
			if err != nil {
				return false
			}
			traffic, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Seed: dice.Uint64(), Count: 1, Providers: []string{q.Provider}, Start: time.Now(), Secrets: other})
			if err != nil {
				return false
			}
			for one := range traffic {
				forged, err := one.Sign(req.Context(), simulate.Target{URL: base}, time.Now())
				if err != nil {
					return false
				}
				*req = *forged
				return true
			}
			return false
		}},
		{"replayed after ten minutes", func(req *http.Request, q *simulate.Request, base string, dice *rand.Rand) bool {
			if req.Header.Get("Telnyx-Timestamp") == "" {
				return false // other senders date nothing, or repeat for hours
			}
			old, err := q.Sign(req.Context(), simulate.Target{URL: base}, time.Now().Add(-10*time.Minute))
			if err == nil {
				*req = *old
			}
			return err == nil
		}},
	}
}

// byToken says whether the request is verified by its URL, whatever its body.
func byToken(req *http.Request, q *simulate.Request) bool {
	path, _, _ := strings.Cut(q.Path, "?")
	return req.URL.Path != path
}

// sameForm says whether a body is the same form: signatures of forms cover what
// was meant, not how it was written.
func sameForm(q *simulate.Request, b []byte) bool {
	if !strings.Contains(q.Header.Get("Content-Type"), "form") {
		return false
	}
	was, err1 := url.ParseQuery(string(q.Body))
	is, err2 := url.ParseQuery(string(b))
	return err1 == nil && err2 == nil && was.Encode() == is.Encode()
}

func setBody(req *http.Request, b []byte) bool {
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
	return true
}

// changeSignature changes every header that carries one; false where there is none.
func changeSignature(req *http.Request, change func(string) string) (changed bool) {
	for name := range req.Header {
		if lower := strings.ToLower(name); strings.Contains(lower, "signature") {
			changed = true
			if v := change(req.Header.Get(name)); v != "" {
				req.Header.Set(name, v)
			} else {
				req.Header.Del(name)
			}
		}
	}
	return changed
}
