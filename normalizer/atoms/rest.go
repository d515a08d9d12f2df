package atoms

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const apiKey = "API_KEY"

// restAPI asks for the call after its end, and once more when its analytics are
// there. The calls of a moment are asked for together, by search.
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base:      func(normalizer.Keys) string { return "https://api.smallest.ai/atoms/v1" },
		Needs:     func(normalizer.Keys) []string { return []string{apiKey} },
		Authorize: func(h http.Header, k normalizer.Keys) { h.Set("Authorization", "Bearer "+k.First(apiKey)) },
		Rate:      10, // of the free plan
		Delays:    []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     wants,
		Holds:     normalizer.HoldingOf(normalizeAtoms, normalizer.IsFinal),
		Complete:  normalizer.IsFinal,
		Batch:     &normalizer.Batch{Max: 100, Fits: func(a normalizer.Ask) bool { return !a.Again && a.CallID != "" }, Join: search, Split: split},
		Calls:     func(normalizer.Keys) []normalizer.Listing { return []normalizer.Listing{list()} },
	}
}

func wants(e *call.Event, _ normalizer.Keys) []normalizer.Ask {
	analytics := e.Kind == call.Report && lenient.Of(e.Raw).At("eventType").Text() == "analytics-completed"
	if e.Kind != call.Ended && !analytics {
		return nil
	}
	asks := normalizer.AskAbout(e.CallID, "/conversation/%s", e.CallID)
	for i := range asks {
		asks[i].Again = analytics
	}
	return asks
}

// search asks for up to 100 calls at once. What a search leaves out, such as
// the names of dispositions, is read after analytics-completed, call by call.
func search(asks []normalizer.Ask) normalizer.Ask {
	ids := make([]string, len(asks))
	for i, a := range asks {
		ids[i] = a.CallID
	}
	body, err := json.Marshal(map[string]any{"callIds": ids})
	if err != nil {
		body = nil // texts can always be written
	}
	return normalizer.Ask{Method: http.MethodPost, Path: "/conversation/search", Body: body}
}

func split(answer []byte) (map[string][]byte, error) {
	_, records, err := normalizer.PageOf(answer, "data", "logs")
	if err != nil {
		return nil, err
	}
	bodies := make(map[string][]byte, len(records))
	for _, l := range normalizer.CallsOf(records, func(n lenient.Node) normalizer.Listed { return normalizer.Listed{CallID: n.At("callId").Text()} }) {
		bodies[l.CallID] = l.Body
	}
	return bodies, nil
}

// list pages in the order of the last update, as the filters by date are
// said to time out: an old call that was updated comes before newer ones.
func list() normalizer.Listing {
	return normalizer.Listing{
		Name: "conversation",
		Filters: []string{
			"agentIds", "campaignIds", "callTypes", "search", "statusFilter", "disconnectReasonFilter",
			"callAttemptFilter", "durationFilter", "sortBy", "sortOrder", "dateFrom", "dateTo", "versionFilter",
		},
		First: func(_, _ time.Time, _ normalizer.Keys) normalizer.Ask {
			return normalizer.Ask{Path: "/conversation", Query: url.Values{"page": {"1"}, "limit": {normalizer.PageSize}}}
		},
		Page: func(this normalizer.Ask, answer []byte, since time.Time, _ normalizer.Keys) (normalizer.Page, error) {
			whole, records, err := normalizer.PageOf(answer, "data", "logs")
			if err != nil {
				return normalizer.Page{}, err
			}
			pages := whole.At("data", "pagination")
			page := normalizer.Page{Calls: normalizer.CallsOf(records, listed), Total: normalizer.TotalOf(pages.At("total"))}
			more := pages.At("hasMore").Truth()
			if more == nil || !*more || len(records) == 0 || older(this, records, page.Calls, since) {
				return page, nil
			}
			page.Next, err = this.Numbered("page")
			return page, err
		},
	}
}

// listed asks for the call itself where the list has not its latencies yet.
func listed(n lenient.Node) normalizer.Listed {
	status := status(n.At("status"))
	l := normalizer.Listed{CallID: n.At("callId").Text(), At: n.At("createdAt").Time(), Over: status != "" && status != call.InProgress}
	if status == call.Completed && !n.At("turnLatencyMetrics").IsObject() {
		l.Asks = normalizer.AskAbout(l.CallID, "/conversation/%s", l.CallID)
	}
	return l
}

// older says whether none that is wanted follows a page: its last call was
// updated before since, or, where that is not told, all were made before. In
// another order than the usual one nothing follows from that.
func older(this normalizer.Ask, records []lenient.Node, calls []normalizer.Listed, since time.Time) bool {
	if this.Query.Has("sortBy") || this.Query.Has("sortOrder") {
		return false
	}
	if updated := records[len(records)-1].At("updatedAt").Time(); !updated.IsZero() {
		return updated.Before(since)
	}
	return normalizer.AllBefore(calls, since)
}
