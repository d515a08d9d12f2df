package slackfake

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with one call. The zero value is no fault.
type Fault struct {
	// Commit carries the call out before it fails: the message is there, and
	// the client does not learn of it. Without it a fault changes nothing.
	Commit bool
	// Late is how long the message stays out of history and replies after it
	// was posted: Slack's reads may lag behind its writes.
	Late time.Duration

	Status     int           // HTTP status instead of 200
	RetryAfter int           // seconds, sent with Status 429 if above 0
	Error      string        // Slack's error in an answer 200
	Detail     string        // what response_metadata says about Error
	Bare       bool          // answer ok and nothing else
	Cut        bool          // close the connection without an answer
	Hang       time.Duration // answer only after this long, or never if the client leaves before
}

func (f Fault) faulty() bool { return f.Status != 0 || f.Error != "" || f.Bare || f.Cut || f.Hang > 0 }

// runs says whether the call is carried out.
func (f Fault) runs() bool { return f.Commit || !f.faulty() }

func (f Fault) write(w http.ResponseWriter, r *http.Request, body reply) {
	if f.Hang > 0 {
		timer := time.NewTimer(f.Hang)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler) // net/http closes the connection
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		http.Error(w, "<html>"+http.StatusText(f.Status)+"</html>", f.Status)
	case f.Error != "":
		answer := failed(f.Error)
		if f.Detail != "" {
			answer["response_metadata"] = reply{"messages": []string{f.Detail}}
		}
		write(w, http.StatusOK, answer)
	case f.Bare:
		write(w, http.StatusOK, reply{"ok": true})
	default:
		write(w, http.StatusOK, body)
	}
}

// Seeded makes faults of every kind that passes by itself, at random for a
// share (0..1) of the calls; the same seed makes the same sequence. hang is
// longer than the client waits.
func Seeded(seed uint64, share float64, hang time.Duration) func(Call) Fault {
	dice := rand.New(rand.NewPCG(seed, seed))
	kinds := []Fault{
		{Status: http.StatusTooManyRequests, RetryAfter: 3},
		{Status: http.StatusTooManyRequests},
		{Status: http.StatusInternalServerError},
		{Status: http.StatusBadGateway, Commit: true},
		{Cut: true},
		{Cut: true, Commit: true},
		{Hang: hang},
		{Hang: hang, Commit: true},
		{Bare: true, Commit: true},
		{Error: "internal_error"},
		{Error: "fatal_error", Commit: true},
		{Error: "ratelimited"},
	}
	return func(Call) Fault {
		if dice.Float64() >= share {
			return Fault{}
		}
		return kinds[dice.IntN(len(kinds))]
	}
}
