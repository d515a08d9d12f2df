package normalizer

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
)

// REST is how a provider is asked for what its webhooks leave out. It only
// describes requests and reads answers; package fetch sends them.
type REST struct {
	// Base is the address of the API, from the settings where it depends on them,
	// without a slash at the end. BaseURL is the one to use.
	Base func(k Keys) string
	// Needs are the settings without which nothing can be asked, given the others.
	Needs func(k Keys) []string
	// Authorize puts the credentials into a request's header.
	Authorize func(h http.Header, k Keys)
	// Rate is how many requests a second the provider allows us.
	Rate float64
	// Delays are the pauses before each attempt to fetch a call, counted from the
	// end of the call and then from attempt to attempt; the last one repeats.
	Delays []time.Duration
	// Wants are the requests that tell the rest about a call after this event,
	// none for an event that needs nothing more. It is asked of every event but
	// imported, corrected and fetched ones, and of what a list told of a missed call.
	Wants func(e *call.Event, k Keys) []Ask
	// Holds says how much of what was asked for is in an answer of status 200.
	Holds func(a Ask, answer []byte) Holding
	// Complete says whether what is known of the call, a fold of its events, is
	// all that the provider will tell: fetching ends, but for an Ask that is Again.
	Complete func(c *call.Event) bool
	// Batch asks for many calls at once; nil where the provider cannot.
	Batch *Batch
	// Calls are the lists of past calls that these settings open, the one to look
	// for missed calls in first; none where the provider has no list.
	Calls func(k Keys) []Listing
}

// Holding is how much of what was asked for an answer holds.
type Holding string

const (
	Nothing Holding = "nothing" // not yet there: not worth storing
	Part    Holding = "part"    // worth storing; more is to come
	Whole   Holding = "whole"   // the provider will not tell more to this request
)

// Ask is one request for a report. It holds no credential. It can be written as
// JSON and read back.
type Ask struct {
	Method string     `json:"method,omitempty"` // "" is GET
	Path   string     `json:"path"`             // behind the base, with a slash at the front, escaped
	Query  url.Values `json:"query,omitempty"`
	Body   []byte     `json:"body,omitempty"`   // JSON, of a POST
	CallID string     `json:"callId,omitempty"` // the call it is about; "" for a list
	// Again is set where an event told that there is something new to fetch: it is
	// asked even when the call is complete, and is another request than the one
	// that followed the end of the call.
	Again bool `json:"again,omitempty"`
}

// ID identifies the request among those of its provider: printable, bounded, the
// same for equal requests.
func (a Ask) ID() string {
	again := ""
	if a.Again {
		again = "again"
	}
	sum := sha256.New()
	for _, part := range []string{a.Method, a.Path, a.Query.Encode(), string(a.Body), a.CallID, again} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// Batch is how a provider is asked for many calls in one request.
type Batch struct {
	Max int // asks in one request
	// Fits says whether a request can be one of a batch.
	Fits func(a Ask) bool
	// Join makes one request of up to Max asks, each about another call.
	Join func(asks []Ask) Ask
	// Split finds the body of each call in the answer, by call id; a call that the
	// provider does not know yet is missing.
	Split func(answer []byte) (map[string][]byte, error)
}

// Listing is one of the ways in which a provider lists past calls.
type Listing struct {
	Name string // of the endpoint, as the provider's reference has it
	// Filters are the query parameters by which the list can be narrowed, beside
	// those that First sets.
	Filters []string
	// First asks for the first page of the calls of [since, until); a zero time is
	// open. A provider without such filters gets all its calls listed, newest first
	// where it lets us choose, and Page says when to stop.
	First func(since, until time.Time, k Keys) Ask
	// Page reads one page: the calls on it, each as a body that Normalize can take,
	// or nil with an ask to fetch it, and the request for the next page, nil on the
	// last. Calls before since end the listing where the order allows it.
	Page func(this Ask, answer []byte, since time.Time, k Keys) (Page, error)
}

// Page is what one page of a list of calls holds.
type Page struct {
	Calls []Listed
	Next  *Ask
	Total int // calls in the whole list; 0 where the provider does not tell
}

// Listed is one call of a list.
type Listed struct {
	CallID string
	// SessionID is set where webhooks know the call by another id: the call is
	// known when an event has it as its sessionId.
	SessionID string
	At        time.Time // when it began or ended, as the list says; zero when it does not
	Over      bool      // the call has ended
	Body      []byte    // to be stored and normalized, nil when only Asks tell
	Asks      []Ask     // for what the list leaves out; none when Body is complete
}

// Missing are the settings that have to be set before anything can be asked.
func (r *REST) Missing(k Keys) []string {
	var names []string
	for _, name := range r.Needs(k) {
		if k.First(name) == "" {
			names = append(names, name)
		}
	}
	return names
}

// BaseURL is the address of the API: the one that the operator set, else the
// provider's.
func (r *REST) BaseURL(k Keys) string {
	if own := k.First(APIURL); own != "" {
		return TrimSlash(own)
	}
	return r.Base(k)
}

// First is the first value of a setting, "" for none.
func (k Keys) First(name string) string {
	if values := k[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func TrimSlash(s string) string {
	for len(s) > 0 && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}
