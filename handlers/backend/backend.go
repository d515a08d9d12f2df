// Package backend is what people and programs can see of a running callwatch and
// do with it: the interface between the API and the console on one side and what
// runs the stages on the other.
package backend

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

// ErrNotFound says that there is no such call, body, incident or dead letter, or
// that it is no longer stored.
var ErrNotFound = errors.New("not found")

// ErrBusy says that as much of this work is running as may run at once.
var ErrBusy = errors.New("too many requests of this kind at once")

// ErrIndexing says that what is stored is still being looked through after the
// start: the answer may be another in a moment.
var ErrIndexing = errors.New("stored events are still being indexed")

// History is what is stored. Its functions may be called by many requests at
// once; each is bounded in time and memory whatever is stored.
type History struct {
	// Events reads stored events, newest first.
	Events func(ctx context.Context, q EventQuery) (EventPage, error)
	// Follow hands in the events that pass the query's filter from a sequence on
	// (q.After, excluded): those stored, then those that come, until ctx ends or
	// fn fails.
	Follow func(ctx context.Context, q EventQuery, fn func(StoredEvent) error) error
	// FollowIncidents hands in the transitions of incidents from a sequence on
	// (excluded), as Follow does.
	FollowIncidents func(ctx context.Context, after uint64, fn func(StoredTransition) error) error
	// Ends are the sequences stored last, to follow from now on; 0 where nothing is.
	Ends func(ctx context.Context) (Ends, error)
	// Call is everything stored about one call; ErrNotFound, ErrIndexing.
	Call func(ctx context.Context, k call.Key) (CallHistory, error)
	// Explain is what each rule in force makes of the call, with the figures that
	// windows had when it was judged. ErrNotFound, ErrIndexing, ErrBusy.
	Explain func(ctx context.Context, k call.Key) (rules.CallExplanation, error)
	// Try judges a call by an expression that is no rule yet. What is wrong with
	// the expression are rules.Problems; ErrNotFound, ErrIndexing.
	Try func(ctx context.Context, expr string, k call.Key) (rules.Explanation, error)
	// Turn waits for a turn to do what costs as much as compiling a rules file. The
	// functions that say ErrBusy take one themselves. ErrBusy.
	Turn func(ctx context.Context) (release func(), err error)
	// Check compiles rules that are not in force. With an error among the problems the
	// set is nil. ErrBusy.
	Check func(ctx context.Context, sources []rules.Source) (*rules.Set, rules.Problems, error)
	// Backtest runs rules over the stored events and says how it went. progress
	// may be nil. What is wrong with the rules are rules.Problems; ErrBusy.
	Backtest func(ctx context.Context, q BacktestQuery, progress func(done, total uint64)) (backtest.Report, error)
	// Body is a stored body by its raw id; ErrNotFound.
	Body func(ctx context.Context, rawID string) (Body, error)
	// Incident is one incident with its transitions, oldest first; ErrNotFound,
	// ErrIndexing.
	Incident func(ctx context.Context, id string) (IncidentHistory, error)
	// DeadLetters are the bodies that could not be normalized, newest first.
	DeadLetters func(ctx context.Context, limit int) ([]DeadLetter, error)
	// Replay normalizes dead letters again, all of them when ids is nil.
	Replay func(ctx context.Context, ids []string) (Replayed, error)
	// Store is what the store takes, measured now.
	Store func(ctx context.Context) (StoreSize, error)
	// PruneStore removes what retention no longer keeps, or with dryRun says what
	// that would be.
	PruneStore func(ctx context.Context, dryRun bool) (Pruned, error)
	// Backup writes the whole store to w while it is in use; ErrBusy.
	Backup func(ctx context.Context, w io.Writer) error
	// Status is how callwatch itself is.
	Status func(ctx context.Context) Status
	// Model answers questions about many calls; nil where there is no read model.
	Model *ReadModel
	// Receivers are where alerts go, by name: part of the status, at no cost. nil
	// is none.
	Receivers func(ctx context.Context) []Receiver
}

// EventQuery chooses stored events. Zero values choose all.
type EventQuery struct {
	Provider string
	Account  string
	Kind     call.Kind
	Filter   string    // expression of the rule language, judged on each event by itself
	Before   uint64    // sequence, excluded: the next page of a list
	After    uint64    // sequence, excluded: where following goes on
	Since    time.Time // stored at or after
	Limit    int       // events; 0: 50
}

// StoredEvent is an event with its place and time in the event stream. What was
// imported or corrected has the time at which it counts.
type StoredEvent struct {
	Seq   uint64     `json:"seq"`
	At    time.Time  `json:"storedAt"`
	Event call.Event `json:"event"`
}

// StoredTransition is a transition with its place and time in the stream of
// transitions.
type StoredTransition struct {
	Seq        uint64           `json:"seq"`
	At         time.Time        `json:"storedAt"`
	Transition rules.Transition `json:"transition"`
}

// Ends are the sequences of the event and of the transition stored last.
type Ends struct {
	Events      uint64 `json:"events"`
	Transitions uint64 `json:"transitions"`
}

// EventPage is a part of a list of events.
type EventPage struct {
	Events []StoredEvent `json:"events"`
	// Next is the Before of the next page; 0: this was the last. A page may hold
	// fewer events than asked for, or none, and still have a next one: reading
	// stops after a bounded number of events that do not pass the filter.
	Next uint64 `json:"next,omitempty"`
	// Scanned is how many stored events were looked at.
	Scanned int `json:"scanned"`
}

// CallHistory is everything stored about one call.
type CallHistory struct {
	Call      call.Event       `json:"call"` // the fold of its events
	Events    []StoredEvent    `json:"events"`
	Incidents []rules.Incident `json:"incidents"`         // that name it, newest first
	Omitted   int              `json:"omitted,omitempty"` // events before those listed, of a call that has very many
	Partial   bool             `json:"partial,omitempty"` // ErrIndexing, but something was found already
}

// Body is a body as it was received or fetched.
type Body struct {
	RawID       string    `json:"rawId"`
	Provider    string    `json:"provider"`
	Account     string    `json:"account,omitempty"`
	Source      string    `json:"source"` // webhook, fetch, import
	ContentType string    `json:"contentType"`
	ReceivedAt  time.Time `json:"receivedAt"`
	Bytes       []byte    `json:"-"`
}

// IncidentHistory is an incident and how it came to where it is.
type IncidentHistory struct {
	Incident    rules.Incident     `json:"incident"`
	Transitions []rules.Transition `json:"transitions"`
	Thread      string             `json:"thread,omitempty"` // address of its Slack thread, when known
	Undelivered []Undelivered      `json:"undelivered,omitempty"`
}

// DeadLetter is a body that could not be normalized.
type DeadLetter struct {
	RawID    string    `json:"rawId"`
	Provider string    `json:"provider"`
	Account  string    `json:"account,omitempty"`
	Kind     string    `json:"kind"`  // of failure, one word
	Error    string    `json:"error"` // one sentence
	Time     time.Time `json:"time"`
}

// Replayed is how normalizing dead letters again went.
type Replayed struct {
	Tried  int `json:"tried"`
	Fixed  int `json:"mended"` // now normalized, or known to be of no interest
	Failed int `json:"failed"` // still dead letters
}

// BacktestQuery says what to run over which stored events.
type BacktestQuery struct {
	Rules *rules.Set // nil: those in force
	Since time.Time  // stored at or after; zero: all
	Until time.Time  // stored before; zero: all
	// Baseline compares with the rules in force, or with those of Against.
	Baseline bool
	Against  *rules.Set // nil: those in force
	Calls    int        // listed of each rule; 0: 200
}

// SuggestQuery says which field of which stored calls to describe.
type SuggestQuery struct {
	Field        string
	By           []string  // fields to group calls by
	Since, Until time.Time // as in BacktestQuery
}

// Status is how callwatch itself is.
type Status struct {
	Version    json.RawMessage  `json:"version"`
	Started    time.Time        `json:"started"`
	Durability string           `json:"durability"`
	Ready      bool             `json:"ready"`
	Checks     []Check          `json:"checks"`
	Providers  []ProviderStatus `json:"providers"`
	Streams    []StreamStatus   `json:"streams"`
	Judged     uint64           `json:"judged"`  // sequence in the event stream
	Backlog    uint64           `json:"backlog"` // events that wait to be judged
	Dead       uint64           `json:"deadLetters"`
	Receivers  []Receiver       `json:"receivers"`
	Store      *StoreUsage      `json:"store,omitempty"`     // absent on an external server
	Model      *ModelStatus     `json:"readModel,omitempty"` // absent where there is none
}

// Check is one thing readiness looks at.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"` // passing, degraded, failing
	Cause string `json:"cause,omitempty"`
}

// ProviderStatus is what is known of the webhooks of one provider, or of one of its
// accounts, since the start.
type ProviderStatus struct {
	Name     string    `json:"name"`
	Account  string    `json:"account,omitempty"`
	Title    string    `json:"title"`
	Verifies bool      `json:"verifies"` // a verification secret is set
	Fetches  bool      `json:"fetches"`  // REST credentials are set
	Accepted uint64    `json:"accepted"`
	Refused  uint64    `json:"refused"`
	LastSeen time.Time `json:"lastSeen,omitzero"`
	Trouble  string    `json:"trouble,omitempty"` // of fetching: credential refused, provider down
}

// StreamStatus is what a stream of the store holds.
type StreamStatus struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
}

// Receiver is where alerts go, and whether they arrive.
type Receiver struct {
	Name   string `json:"name"`
	Broken string `json:"broken,omitempty"` // why

	Degraded bool      `json:"degraded"`         // nothing arrives: broken, two failures in a row, or a minute without a delivery
	Cause    string    `json:"cause,omitempty"`  // of being degraded
	Since    time.Time `json:"since,omitzero"`   // degraded
	NextTry  time.Time `json:"nextTry,omitzero"` // where one is waited for
	Pending  int       `json:"pending"`          // incidents that it does not show as they are
}

// Undelivered is an incident that one of its receivers does not show as it is.
type Undelivered struct {
	Receiver  string    `json:"receiver"`
	Announced bool      `json:"announced"` // an earlier state of it was delivered
	Cause     string    `json:"cause"`
	Since     time.Time `json:"since"`
	NextTry   time.Time `json:"nextTry"`
}

// StoreUsage is how full the store is. What is unknown is absent.
type StoreUsage struct {
	Bytes        uint64   `json:"bytes" doc:"of all streams and buckets"`
	Limit        uint64   `json:"limit,omitempty" doc:"bytes that the store may hold; absent on an external server"`
	GrowthPerDay uint64   `json:"growthPerDay,omitempty" doc:"bytes by which the store grows in a day; absent while it does not grow or less than ten minutes are stored"`
	DaysLeft     *float64 `json:"daysLeft,omitempty" doc:"until the limit is reached; absent when it is not reached before everything is as old as it is kept"`
	// Short is by how much less than its age a stream is kept.
	Short map[string]int64 `json:"shortSeconds,omitempty" doc:"seconds by which a stream is kept less long than configured, because the limit was reached"`
}

// StoreSize is what the store takes.
type StoreSize struct {
	StoreUsage
	Directory uint64        `json:"directory,omitempty" doc:"bytes of all files in the data directory; absent on an external server"`
	Streams   []StoreStream `json:"streams" nullable:"false"`
}

// StoreStream is what a stream or bucket takes.
type StoreStream struct {
	Name     string    `json:"name"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Oldest   time.Time `json:"oldest,omitzero" doc:"when the oldest message was stored; absent from an empty stream"`
	PerDay   uint64    `json:"perDay,omitempty" doc:"bytes stored in a day; absent when less than ten minutes are stored"`
	Keep     int64     `json:"keepSeconds,omitempty" doc:"how long a message is kept; absent where only the limit removes it, or nothing"`
}

// Pruned is what was removed from the store, or would be.
type Pruned struct {
	DryRun  bool           `json:"dryRun"`
	Streams []PrunedStream `json:"streams" nullable:"false"`
}

// PrunedStream is what was removed from a stream.
type PrunedStream struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes" doc:"estimated in a dry run"`
}
