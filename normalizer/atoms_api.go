package normalizer

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
)

const atomsAPIKey = "API_KEY"

// atomsAPI asks for the call after its end, and once more when its analytics are
// there. The calls of a moment are asked for together, by search.
func atomsAPI() *REST {
	return &REST{
		Base:      func(Keys) string { return "https://api.smallest.ai/atoms/v1" },
		Needs:     func(Keys) []string { return []string{atomsAPIKey} },
		Authorize: func(h http.Header, k Keys) { h.Set("Authorization", "Bearer "+k.first(atomsAPIKey)) },
		Rate:      10, // of the free plan
		Delays:    []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     atomsWants,
		Holds:     holding(normalizeAtoms, isFinal),
		Complete:  isFinal,
		Batch:     &Batch{Max: 100, Fits: func(a Ask) bool { return !a.Again && a.CallID != "" }, Join: atomsSearch, Split: atomsSplit},
		Calls:     func(Keys) []Listing { return []Listing{atomsList()} },
	}
}

func atomsWants(e *call.Event, _ Keys) []Ask {
	analytics := e.Kind == call.Report && (node{v: e.Raw}).at("eventType").text() == "analytics-completed"
	if e.Kind != call.Ended && !analytics {
		return nil
	}
	asks := about(e.CallID, "/conversation/%s", e.CallID)
	for i := range asks {
		asks[i].Again = analytics
	}
	return asks
}

// atomsSearch asks for up to 100 calls at once. What a search leaves out, such as
// the names of dispositions, is read after analytics-completed, call by call.
func atomsSearch(asks []Ask) Ask {
	ids := make([]string, len(asks))
	for i, a := range asks {
		ids[i] = a.CallID
	}
	body, err := json.Marshal(map[string]any{"callIds": ids})
	if err != nil {
		body = nil // texts can always be written
	}
	return Ask{Method: http.MethodPost, Path: "/conversation/search", Body: body}
}

func atomsSplit(answer []byte) (map[string][]byte, error) {
	_, records, err := pageOf(answer, "data", "logs")
	if err != nil {
		return nil, err
	}
	bodies := make(map[string][]byte, len(records))
	for _, l := range listed(records, func(n node) Listed { return Listed{CallID: n.at("callId").text()} }) {
		bodies[l.CallID] = l.Body
	}
	return bodies, nil
}

// atomsList pages in the order of the last update, as the filters by date are
// said to time out: an old call that was updated stands before newer ones.
func atomsList() Listing {
	return Listing{
		Name: "conversation",
		Filters: []string{
			"agentIds", "campaignIds", "callTypes", "search", "statusFilter", "disconnectReasonFilter",
			"callAttemptFilter", "durationFilter", "sortBy", "sortOrder", "dateFrom", "dateTo", "versionFilter",
		},
		First: func(_, _ time.Time, _ Keys) Ask {
			return Ask{Path: "/conversation", Query: url.Values{"page": {"1"}, "limit": {pageSize}}}
		},
		Page: func(this Ask, answer []byte, since time.Time, _ Keys) (Page, error) {
			whole, records, err := pageOf(answer, "data", "logs")
			if err != nil {
				return Page{}, err
			}
			pages := whole.at("data", "pagination")
			page := Page{Calls: listed(records, atomsListed), Total: total(pages.at("total"))}
			more := pages.at("hasMore").truth()
			if more == nil || !*more || len(records) == 0 || atomsOlder(this, records, page.Calls, since) {
				return page, nil
			}
			page.Next, err = this.numbered("page")
			return page, err
		},
	}
}

// atomsListed asks for the call itself where the list has not its latencies yet.
func atomsListed(n node) Listed {
	status := atomsStatus(n.at("status"))
	l := Listed{CallID: n.at("callId").text(), At: n.at("createdAt").time(), Over: status != "" && status != call.InProgress}
	if status == call.Completed && !n.at("turnLatencyMetrics").isObject() {
		l.Asks = about(l.CallID, "/conversation/%s", l.CallID)
	}
	return l
}

// atomsOlder says whether none that is wanted follows a page: its last call was
// updated before since, or, where that is not told, all were made before. In
// another order than the usual one nothing follows from that.
func atomsOlder(this Ask, records []node, calls []Listed, since time.Time) bool {
	if this.Query.Has("sortBy") || this.Query.Has("sortOrder") {
		return false
	}
	if updated := records[len(records)-1].at("updatedAt").time(); !updated.IsZero() {
		return updated.Before(since)
	}
	return allBefore(calls, since)
}
