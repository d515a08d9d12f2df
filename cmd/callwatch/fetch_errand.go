package main

import (
	"encoding/json"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
)

const (
	longestFetch = 24 * time.Hour
	// patience is how much longer than fetch_for a call may wait for its first
	// answer, while the provider is down or refuses the credentials.
	patience = 24 * time.Hour
	// remember is how long a request is known to be done after it could have been
	// given up, so that events seen again schedule nothing.
	remember = 10 * time.Minute
	// overslept is when an errand that comes so late was kept from being asked.
	overslept = time.Minute
	// deniedPause is how long nothing is asked after the credentials were refused.
	deniedPause = time.Minute
)

// fetchPace is how fast a provider is asked.
type fetchPace struct {
	delays []time.Duration // before each attempt; the last one repeats
	rate   float64         // requests a second; 0 is the provider's
}

func (p fetchPace) delay(attempt int) time.Duration {
	if len(p.delays) == 0 {
		return time.Minute
	}
	return p.delays[min(attempt, len(p.delays)-1)]
}

// errand is one request on its way: what is stored between two attempts.
type errand struct {
	Ask   normalizer.Ask `json:"ask"`
	RawID string         `json:"rawId,omitempty"` // of the body that told of the call
	Ended time.Time      `json:"ended,omitzero"`  // end of the call, as the event has it
	Begun time.Time      `json:"begun"`           // when it was scheduled first; giving up counts from here
	Due   time.Time      `json:"due,omitzero"`    // when it is to be asked next
	Tried int            `json:"tried,omitempty"` // attempts that were answered, or failed for this call alone
	Held  bool           `json:"held,omitempty"`  // the last time it could not be asked
	Last  string         `json:"last,omitempty"`  // hash of the body that was stored last
	Done  bool           `json:"done,omitempty"`  // nothing is to be asked: only remembered
}

func parseErrand(data []byte) (e errand, err error) {
	err = json.Unmarshal(data, &e)
	return e, err
}

func (e *errand) data() []byte {
	data, err := json.Marshal(e)
	if err != nil {
		return nil // no value of an errand fails; one that cannot be read back is dropped
	}
	return data
}

// first is when an errand is asked first: a delay after the call's end, which a
// provider's clock that runs ahead or far behind does not move.
func (e *errand) first(pace fetchPace) time.Time {
	delay := pace.delay(0)
	at := e.Ended.Add(delay)
	if e.Ended.IsZero() || at.After(e.Begun.Add(delay)) {
		return e.Begun.Add(delay)
	}
	if at.Before(e.Begun) {
		return e.Begun
	}
	return at
}

// over says whether the time for the errand has passed. One that could not be
// asked, because the provider or callwatch was down, is asked once more first.
func (e *errand) over(now time.Time, fetchFor time.Duration) bool {
	limit := e.Begun.Add(fetchFor)
	if e.Tried == 0 || e.Held || now.Sub(e.Due) > overslept {
		limit = limit.Add(patience)
	}
	return !now.Before(limit)
}

// attempt is the errand once it is asked at a time: due at the next attempt, or
// when it is given up.
func (e errand) attempt(now time.Time, pace fetchPace, fetchFor time.Duration) errand {
	e.Tried++
	e.Held = false
	e.Due = now.Add(pace.delay(e.Tried))
	if limit := e.Begun.Add(fetchFor); e.Due.After(limit) && limit.After(now) {
		e.Due = limit
	}
	return e
}

// after is what becomes of an errand, asked once more at a time, by an answer. It
// is not to be asked again where done; what was no attempt does not count as one.
func (e errand) after(a fetch.Answer, asked, now time.Time, pace fetchPace) (next errand, done bool) {
	pause := pace.delay(e.Tried)
	hold := func(until time.Time) (errand, bool) {
		e.Tried--
		e.Held, e.Due = true, until
		return e, false
	}
	switch a.Outcome {
	case fetch.Ready:
		return e, true
	case fetch.Throttled:
		if a.Until.IsZero() {
			return hold(now.Add(pause))
		}
		return hold(latest(a.Until, now))
	case fetch.Denied:
		return hold(latest(asked.Add(pause), now.Add(deniedPause)))
	case fetch.Down:
		if !a.Until.IsZero() {
			return hold(latest(asked.Add(pause), a.Until))
		}
	}
	// Sent later than was thought, it must not be sent again too soon.
	if late := now.Sub(asked); late > pause/10 {
		e.Due = e.Due.Add(late)
	}
	return e, false
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
