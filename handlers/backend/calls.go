package backend

import (
	"context"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// ReadModel is what is asked about many calls. Its functions may be called by many
// requests at once, and end with their context. While the model is being built they
// answer from what is there: Status says how far it has come.
type ReadModel struct {
	// Calls lists calls, newest first unless the query sorts otherwise. What is wrong
	// with its filter are rules.Problems; what is wrong with the rest is a QueryError.
	Calls func(ctx context.Context, q CallQuery) (CallPage, error)
	// IncidentCalls lists the calls of an incident: those that its transitions name and
	// those in its time and key that meet its rule's condition. ErrNotFound.
	IncidentCalls func(ctx context.Context, incident string, q CallQuery) (CallPage, error)
	// Stats are figures of the calls of a time range, by dimension and by time.
	Stats func(ctx context.Context, q StatsQuery) (Stats, error)
	// Changes are the values of all dimensions whose share of bad calls grew most
	// against the period before, largest first.
	Changes func(ctx context.Context, q StatsQuery) ([]Change, error)
	// Contrast compares the calls of an incident with the other calls of its time.
	// ErrNotFound.
	Contrast func(ctx context.Context, incident string) (Contrast, error)
	// ModelStatus is how far the model has come.
	ModelStatus func() ModelStatus
}

// QueryError is what is wrong with a query.
type QueryError struct{ Reason string }

func (e *QueryError) Error() string { return e.Reason }

// CallQuery chooses calls. Zero values choose all.
type CallQuery struct {
	// Search is an id of a call, a number in any spelling or its last digits (three or
	// more), or a part of an agent's name.
	Search string
	// Filter is an expression of the rule language, judged on the row of each call.
	// Members of raw and intervals are not part of a row.
	Filter   string
	Account  string         // of a provider; "": of all
	Severity rules.Severity // worst of its incidents; "": any
	// Since and Until bound CallRow.At; Until is excluded.
	Since, Until time.Time
	Sort         string // a column; "": at, newest first, whatever Desc is
	Desc         bool   // largest first; calls that do not know the column come last in both orders
	Limit        int    // calls; 0: 50, at most 1000
	Cursor       string // CallPage.Next of the page before, with the same query
	// Scanned, if not nil, is called while a filter looks at calls one by one, with
	// what was found since the last time, in the order of the scan.
	Scanned func(p ScanProgress)
}

// ScanProgress is how far a scan has come.
type ScanProgress struct {
	Done, Total int64 // calls
	Found       []CallRow
}

// CallPage is a part of a list of calls.
type CallPage struct {
	Calls []CallRow
	Next  string // Cursor of the next page; "": this was the last
	// Scanned is how many calls the filter looked at one by one; 0 where all of it is
	// answered by the database.
	Scanned int64
	// Incomplete says that the scan stopped at its time limit: Next goes on from there.
	Incomplete bool
	// Building says that the model is being built: calls, severities and incidents may
	// be missing.
	Building bool
}

// CallRow is one call as lists show it.
type CallRow struct {
	At        time.Time      `json:"at" doc:"when the call began, or when it was first heard of where that is not known"`
	Account   string         `json:"account,omitempty" doc:"as call has it"`
	Severity  rules.Severity `json:"severity,omitempty" doc:"of its worst incident"`
	Incidents []string       `json:"incidents,omitempty" doc:"ids of the incidents that name it"`
	Events    int            `json:"events" doc:"stored of the call"`
	Call      call.Event     `json:"call" doc:"the facts of the call, without intervals and raw"`
}

// Dimensions are the names by which Stats groups.
func Dimensions() []string {
	return []string{"provider", "account", "region", "agent", "direction", "codec", "country"}
}

// StatsQuery asks for figures. A range that is not on the borders of its resolution
// is widened to them: Stats.Since and Stats.Until say to which.
type StatsQuery struct {
	Since, Until time.Time     // Until zero: now
	Provider     string        // only calls of this provider; "": of all
	Account      string        // only calls of this account; "": of all
	Filter       string        // of the rule language; "": none. With one, calls are read instead of roll-ups
	By           string        // one of Dimensions; "": one group of all calls
	ByProvider   bool          // groups of provider and By: a heat map
	Bucket       time.Duration // of Series; 0: no series
	Compare      bool          // with the period of the same length before
	CountsOnly   bool          // numbers and shares of calls; distributions and costs may be left out
}

// Stats are figures of calls.
type Stats struct {
	Since  time.Time     `json:"since"`
	Until  time.Time     `json:"until"`
	Bucket time.Duration `json:"-"`
	// Building says that the model is being built: calls may be missing.
	Building bool     `json:"building,omitempty" doc:"the figures are not whole: they are being built from what is stored"`
	Source   string   `json:"source" enum:"rollups,calls" doc:"what the figures were computed from"`
	Total    Figures  `json:"total"`
	Before   *Figures `json:"before,omitempty" doc:"of the period of the same length before"`
	Groups   []Group  `json:"groups,omitempty"`
	Series   []Point  `json:"series,omitempty" doc:"of all calls, one point per bucket, empty buckets included"`
	Omitted  int      `json:"omitted,omitempty" doc:"groups beyond the 200 with the most calls"`
}

// Group is the figures of the calls with one value of a dimension.
type Group struct {
	Provider string   `json:"provider,omitempty" doc:"where groups are by provider"`
	Value    string   `json:"value,omitempty" doc:"of the dimension; absent: unknown"`
	Figures  Figures  `json:"figures"`
	Before   *Figures `json:"before,omitempty"`
	Series   []Point  `json:"series,omitempty"`
}

// Point is the figures of one bucket of time.
type Point struct {
	At      time.Time `json:"at" doc:"begin of the bucket"`
	Figures Figures   `json:"figures"`
}

// Figures are about a number of calls. What no call knows is absent.
type Figures struct {
	Calls    int64 `json:"calls"`
	Ended    int64 `json:"ended" doc:"calls of which the end is known"`
	Answered Rate  `json:"answered" doc:"the answer-seizure ratio"`
	Failed   Rate  `json:"failed" doc:"calls with status failed"`
	Bad      Rate  `json:"bad" doc:"calls with a MOS below 3.5; asked of calls that were answered, or may have been"`

	MOS       Distribution `json:"mos"`
	LossPct   Distribution `json:"packetLossPct"`
	JitterMs  Distribution `json:"jitterMs"`
	TurnMs    Distribution `json:"turnLatencyMs"`
	Duration  Distribution `json:"durationSec"`
	Costs     []Cost       `json:"costs,omitempty" doc:"one per currency"`
	Incidents int64        `json:"withIncident" doc:"calls that an incident names"`
}

// Rate is a share of the calls of which it is known, as rate(...) in rules over
// windows: calls that are not measured are left out. Low and High are its ends there;
// they are equal, since a call is either measured or not.
type Rate struct {
	True    int64    `json:"true"`
	Known   int64    `json:"measured" doc:"calls of which it is known: what it is a share of"`
	Of      int64    `json:"of" doc:"calls that it is asked of, measured or not"`
	Low     *float64 `json:"low,omitempty" doc:"0..1, as ofMeasured"`
	High    *float64 `json:"high,omitempty" doc:"0..1, as ofMeasured"`
	OfKnown *float64 `json:"ofMeasured,omitempty" doc:"0..1, of the measured calls; absent where there are none"`
}

// Distribution is how a number is spread over the calls that know it. Quantiles are
// exact to about 2 %.
type Distribution struct {
	Known  int64    `json:"measured" doc:"calls that know it"`
	Mean   *float64 `json:"mean,omitempty"`
	Median *float64 `json:"median,omitempty"`
	P5     *float64 `json:"p5,omitempty"`
	P95    *float64 `json:"p95,omitempty"`
}

// Cost is a sum in one currency.
type Cost struct {
	Currency string  `json:"currency,omitempty"`
	Sum      float64 `json:"sum"`
	Known    int64   `json:"measured"`
}

// Change is a value of a dimension of which the share of bad calls changed. Its
// figures are numbers and shares of calls.
type Change struct {
	Dimension string  `json:"dimension"`
	Value     string  `json:"value,omitempty"`
	Now       Figures `json:"now"`
	Before    Figures `json:"before"`
	// Lift is how far the share of bad calls, of those measured, rose, in 0..1.
	Lift float64 `json:"lift"`
}

// Contrast is how the calls of an incident differ from the others of its time.
type Contrast struct {
	Bad, Good   Figures      `json:"-"`
	Building    bool         `json:"building,omitempty"` // calls may be missing
	BadCalls    int64        `json:"badCalls"`
	GoodCalls   int64        `json:"goodCalls"`
	Differences []Difference `json:"differences"`
	Since       time.Time    `json:"since"`
	Until       time.Time    `json:"until"`
}

// Difference is the share of a value among the calls of an incident and among all
// calls of its time.
type Difference struct {
	Dimension string  `json:"dimension"`
	Value     string  `json:"value,omitempty"`
	Bad       float64 `json:"bad" doc:"share of the incident's calls, 0..1"`
	All       float64 `json:"all" doc:"share of all calls of its time, 0..1"`
	BadCalls  int64   `json:"badCalls"`
	AllCalls  int64   `json:"allCalls"`
}

// ModelStatus is how far the read model has come.
type ModelStatus struct {
	Off        bool      `json:"off,omitempty" doc:"it is switched off"`
	Event      uint64    `json:"event" doc:"sequence of the last event that is in the model"`
	Transition uint64    `json:"transition"`
	Behind     uint64    `json:"behind" doc:"stored events that are not in the model yet"`
	Building   bool      `json:"building,omitempty" doc:"it is being built from what is stored"`
	Rebuilt    uint64    `json:"rebuilt,omitempty" doc:"times since the start that it was built again because the file was missing, damaged or of another version"`
	Cause      string    `json:"cause,omitempty" doc:"of the last rebuild"`
	UpdatedAt  time.Time `json:"updatedAt,omitzero" doc:"last commit"`
	Bytes      int64     `json:"bytes,omitempty" doc:"of the file"`
}
