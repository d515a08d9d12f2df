package fetching

import (
	"encoding/json"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
)

const (
	// LongestFetch is the longest GiveUp that may be configured.
	LongestFetch = 24 * time.Hour
	// patience is how much longer than GiveUp a call may wait for its first answer,
	// while the provider is down or refuses the credentials.
	patience = 24 * time.Hour
	// remember is how long a job is kept after it could have been given up, so that
	// events seen again schedule nothing.
	remember = 10 * time.Minute
	// overslept is the delay from which a due job counts as one that could not be asked.
	overslept = time.Minute
	// deniedPause is how long nothing is asked after the credentials were refused.
	deniedPause = time.Minute
)

func (p Pace) delay(attempt int) time.Duration {
	if len(p.Delays) == 0 {
		return time.Minute
	}
	return p.Delays[min(attempt, len(p.Delays)-1)]
}

// job is one request until it is done: what is stored between two attempts.
type job struct {
	Ask   normalizer.Ask `json:"ask"`
	RawID string         `json:"rawId,omitempty"` // of the body whose event asked for it
	Ended time.Time      `json:"ended,omitzero"`  // end of the call, as the event has it
	Begun time.Time      `json:"begun"`           // when it was scheduled first; giving up counts from here
	Due   time.Time      `json:"due,omitzero"`    // the next attempt
	Tried int            `json:"tried,omitempty"` // attempts that were answered, or failed for this call alone
	Held  bool           `json:"held,omitempty"`  // the last attempt was refused for now
	Last  string         `json:"last,omitempty"`  // hash of the body that was stored last
	Done  bool           `json:"done,omitempty"`  // only kept so that events seen again schedule nothing
}

func parseJob(data []byte) (e job, err error) {
	err = json.Unmarshal(data, &e)
	return e, err
}

func (e *job) data() []byte {
	data, err := json.Marshal(e)
	if err != nil {
		return nil // no value of a job fails; one that cannot be read back is dropped
	}
	return data
}

// first is the time of the first attempt: a delay after the call's end. A clock of
// the provider that runs ahead or far behind does not move it.
func (e *job) first(pace Pace) time.Time {
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

// over reports whether the time for the job has passed. One that could not be asked,
// because the provider or callwatch was down, has one more attempt first.
func (e *job) over(now time.Time, fetchFor time.Duration) bool {
	limit := e.Begun.Add(fetchFor)
	if e.Tried == 0 || e.Held || now.Sub(e.Due) > overslept {
		limit = limit.Add(patience)
	}
	return !now.Before(limit)
}

// attempt is the job once it is asked at a time: due at the next attempt, or when
// it is given up.
func (e job) attempt(now time.Time, pace Pace, fetchFor time.Duration) job {
	e.Tried++
	e.Held = false
	e.Due = now.Add(pace.delay(e.Tried))
	if limit := e.Begun.Add(fetchFor); e.Due.After(limit) && limit.After(now) {
		e.Due = limit
	}
	return e
}

// after is what becomes of a job by an answer to the attempt that was sent at asked.
// done: no further attempt. A request that was refused for now does not count as an
// attempt.
func (e job) after(a fetch.Answer, asked, now time.Time, pace Pace) (next job, done bool) {
	pause := pace.delay(e.Tried)
	hold := func(until time.Time) (job, bool) {
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
