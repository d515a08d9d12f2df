package butter

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Settings of Butter's REST API.
const (
	apiKey       = "API_KEY"
	apiAuth      = "API_AUTH"
	organization = "ORGANIZATION_ID"

	bearer = "bearer" // the older form of authorization
)

// restAPI asks for the call after each end that a callback claims.
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base:      func(normalizer.Keys) string { return "https://api.getbutter.ai" },
		Needs:     func(normalizer.Keys) []string { return []string{apiKey} },
		Authorize: authorize,
		Rate:      10, // of the Starter plan
		Delays:    []time.Duration{3 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     wants,
		Holds:     normalizer.HoldingOf(normalizeButter, normalizer.IsFinal),
		Complete:  normalizer.IsFinal,
		Calls:     func(normalizer.Keys) []normalizer.Listing { return []normalizer.Listing{list()} },
	}
}

func authorize(h http.Header, k normalizer.Keys) {
	if k.First(apiAuth) != bearer {
		h.Set("X-Api-Key", k.First(apiKey))
		return
	}
	h.Set("Authorization", "Bearer "+k.First(apiKey))
	if id := k.First(organization); id != "" {
		h.Set("X-Organization-Id", id)
	}
}

func checkButterAuth(value string) error {
	if value != bearer && value != "x-api-key" {
		return errors.New("neither x-api-key nor bearer")
	}
	return nil
}

// wants fetches when a callback reports an end, which nothing proves.
func wants(e *call.Event, _ normalizer.Keys) []normalizer.Ask {
	told := normalizer.Unconfirmed(e)
	status := butterStatus(told.At("status").Or(told.At("CallStatus")))
	if status == "" || status == call.InProgress {
		return nil
	}
	return normalizer.AskAbout(e.CallID, "/api/calls/%s", e.CallID)
}

// list is not documented but for the form of its answers: path and
// parameters follow from those of the other lists.
func list() normalizer.Listing {
	return normalizer.Listing{
		Name: "calls",
		First: func(_, _ time.Time, _ normalizer.Keys) normalizer.Ask {
			return normalizer.Ask{Path: "/api/calls", Query: url.Values{"page_size": {normalizer.PageSize}}}
		},
		Page: func(this normalizer.Ask, answer []byte, since time.Time, _ normalizer.Keys) (normalizer.Page, error) {
			whole, records, err := normalizer.PageOf(answer, "data")
			if err != nil {
				return normalizer.Page{}, err
			}
			pages := whole.At("pagination")
			page := normalizer.Page{Calls: normalizer.CallsOf(records, listed), Total: normalizer.TotalOf(pages.At("total_count"))}
			if more := pages.At("has_more").Truth(); more != nil && !*more || normalizer.AllBefore(page.Calls, since) {
				return page, nil
			}
			page.Next, err = this.Continued("cursor", pages.At("next_cursor"))
			return page, err
		},
	}
}

// listed asks for the call itself where the list has not its turns.
func listed(n lenient.Node) normalizer.Listed {
	status := butterStatus(n.At("status"))
	l := normalizer.Listed{
		CallID: n.At("call_sid").Text(),
		At:     normalizer.FirstTime(n.At("end_time").Time(), n.At("start_time").Time(), n.At("created_at").Time()),
		Over:   status != "" && status != call.InProgress,
	}
	if l.Over && n.At("turns").IsNull() {
		l.Asks = normalizer.AskAbout(l.CallID, "/api/calls/%s", l.CallID)
	}
	return l
}
