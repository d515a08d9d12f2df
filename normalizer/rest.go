package normalizer

import (
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
)

// REST is how a provider is asked for what its webhooks leave out. It only
// describes requests and reads answers; package fetch sends them.
type REST struct {
	// Base is the address of the API, from the settings where it depends on them,
	// without a slash at the end. APIURL, when set, replaces it.
	Base func(k Keys) string
	// Needs are the settings without which nothing can be asked.
	Needs []string
	// Authorize puts the credentials into a request's header.
	Authorize func(h http.Header, k Keys)
	// Rate is how many requests a second the provider allows us.
	Rate float64
	// Delays are the pauses before each attempt to fetch a call, counted from the
	// end of the call and then from attempt to attempt; the last one repeats.
	Delays []time.Duration
	// Wants are the requests that tell the rest about a call after this event,
	// none for an event that needs nothing more. It is asked of every event but
	// imported ones.
	Wants func(e *call.Event, k Keys) []Ask
	// Complete says whether what is known of the call, a fold of its events, is
	// all that the provider will tell: fetching ends.
	Complete func(c *call.Event) bool
	// Calls lists calls, newest first where the provider lets us choose.
	// nil for a provider that cannot list them.
	Calls *Listing
}

// Ask is one request for a report. It holds no credential.
type Ask struct {
	Method string // "" is GET
	Path   string // behind the base, with a slash at the front, escaped
	Query  url.Values
	Body   []byte // JSON, of a POST
	CallID string // the call it is about; "" for a list
}

// Listing is how a provider lists past calls.
type Listing struct {
	// First asks for the first page of the calls of [since, until); a zero until is
	// open. A provider without such filters gets all its calls listed, and Page
	// says when to stop.
	First func(since, until time.Time, k Keys) Ask
	// Page reads one page: the calls on it, each as a body that Normalize can take,
	// or nil with asks to fetch each call, and the request for the next page, nil
	// on the last. Calls before since end the listing where the order allows it.
	Page func(this Ask, answer []byte, since time.Time) (Page, error)
}

// Page is what one page of a list of calls holds.
type Page struct {
	Bodies []Listed
	Next   *Ask
}

// Listed is one call of a list.
type Listed struct {
	CallID string
	At     time.Time // when it began or ended, as the list says; zero when it does not
	Body   []byte    // to be stored and normalized, nil when only Ask tells
	Ask    *Ask      // for what the list leaves out; nil when Body is complete
}
