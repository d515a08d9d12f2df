package fetch

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
)

// Outcome is what came of a request.
type Outcome string

const (
	Ready     Outcome = "ready"     // Body is all that this request will ever tell
	Partial   Outcome = "partial"   // Body is worth storing; more is to come
	NotYet    Outcome = "not yet"   // the provider has nothing about the call so far
	Denied    Outcome = "denied"    // the credentials are refused: 401 or 403
	Throttled Outcome = "throttled" // too many requests: ask again at Until
	Down      Outcome = "down"      // 5xx, network or timeout; not asked before Until where that is set
	Broken    Outcome = "broken"    // an answer that makes no sense; asking again will hardly help
)

// Outcomes are all there are.
func Outcomes() []Outcome { return []Outcome{Ready, Partial, NotYet, Denied, Throttled, Down, Broken} }

// Answer is what a provider said, or why it said nothing.
type Answer struct {
	Outcome     Outcome
	Body        []byte // of Ready and Partial: JSON
	ContentType string
	Until       time.Time // of Throttled, and of Down while the circuit is open
	Status      int       // HTTP status; 0 where none came
	// Reason says in a few words what happened. It holds nothing that the provider
	// wrote, so no credential that an answer might repeat.
	Reason string
}

// longestPause bounds what a provider can make us wait.
const longestPause = time.Hour

// pauseOf is how long an answer asks us to wait: Retry-After in seconds or as a
// date, else X-RateLimit-Reset in seconds. ok is false where it does not say.
func pauseOf(h http.Header, now time.Time) (pause time.Duration, ok bool) {
	if s := strings.TrimSpace(h.Get("Retry-After")); s != "" {
		if at, err := http.ParseTime(s); err == nil {
			return bounded(at.Sub(now)), true
		}
		if d, ok := seconds(s); ok {
			return d, true
		}
	}
	s := strings.TrimSpace(h.Get("X-RateLimit-Reset"))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 1e9 {
		return bounded(time.Unix(n, 0).Sub(now)), true // a time of day, not a distance
	}
	return seconds(s)
}

func seconds(s string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return 0, false
	}
	return bounded(time.Duration(min(f, longestPause.Seconds()) * float64(time.Second))), true
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), longestPause) }

// outcomeOf is what an answer of status 200 with a JSON body means.
func outcomeOf(h normalizer.Holding) Outcome {
	switch h {
	case normalizer.Whole:
		return Ready
	case normalizer.Part:
		return Partial
	default:
		return NotYet
	}
}
