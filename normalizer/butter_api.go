package normalizer

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"callwatch/call"
)

// Settings of Butter's REST API.
const (
	butterAPIKey       = "API_KEY"
	butterAPIAuth      = "API_AUTH"
	butterOrganization = "ORGANIZATION_ID"

	butterBearer = "bearer" // the older form of authorization
)

// butterAPI asks for the call after each end that a callback claims.
func butterAPI() *REST {
	return &REST{
		Base:      func(Keys) string { return "https://api.getbutter.ai" },
		Needs:     func(Keys) []string { return []string{butterAPIKey} },
		Authorize: butterAuthorize,
		Rate:      10, // of the Starter plan
		Delays:    []time.Duration{3 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     butterWants,
		Holds:     holding(normalizeButter, isFinal),
		Complete:  isFinal,
		Calls:     func(Keys) []Listing { return []Listing{butterList()} },
	}
}

func butterAuthorize(h http.Header, k Keys) {
	if k.first(butterAPIAuth) != butterBearer {
		h.Set("X-Api-Key", k.first(butterAPIKey))
		return
	}
	h.Set("Authorization", "Bearer "+k.first(butterAPIKey))
	if id := k.first(butterOrganization); id != "" {
		h.Set("X-Organization-Id", id)
	}
}

func checkButterAuth(value string) error {
	if value != butterBearer && value != "x-api-key" {
		return errors.New("neither x-api-key nor bearer")
	}
	return nil
}

// butterWants asks when a callback tells of an end, which nothing proves.
func butterWants(e *call.Event, _ Keys) []Ask {
	told := unconfirmed(e)
	status := butterStatus(told.at("status").or(told.at("CallStatus")))
	if status == "" || status == call.InProgress {
		return nil
	}
	return about(e.CallID, "/api/calls/%s", e.CallID)
}

// butterList is not documented but for the form of its answers: path and
// parameters follow from those of the other lists.
func butterList() Listing {
	return Listing{
		Name: "calls",
		First: func(_, _ time.Time, _ Keys) Ask {
			return Ask{Path: "/api/calls", Query: url.Values{"page_size": {pageSize}}}
		},
		Page: func(this Ask, answer []byte, since time.Time, _ Keys) (Page, error) {
			whole, records, err := pageOf(answer, "data")
			if err != nil {
				return Page{}, err
			}
			pages := whole.at("pagination")
			page := Page{Calls: listed(records, butterListed), Total: total(pages.at("total_count"))}
			if more := pages.at("has_more").truth(); more != nil && !*more || allBefore(page.Calls, since) {
				return page, nil
			}
			page.Next, err = this.continued("cursor", pages.at("next_cursor"))
			return page, err
		},
	}
}

// butterListed asks for the call itself where the list has not its turns.
func butterListed(n node) Listed {
	status := butterStatus(n.at("status"))
	l := Listed{
		CallID: n.at("call_sid").text(),
		At:     firstTime(n.at("end_time").time(), n.at("start_time").time(), n.at("created_at").time()),
		Over:   status != "" && status != call.InProgress,
	}
	if l.Over && n.at("turns").isNull() {
		l.Asks = about(l.CallID, "/api/calls/%s", l.CallID)
	}
	return l
}
