package normalizer

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
)

const telnyxAPIKey = "API_KEY"

// telnyxAPI asks for the Voice SDK call reports of a call, which nothing pushes.
func telnyxAPI() *REST {
	return &REST{
		Base:      func(Keys) string { return "https://api.telnyx.com/v2" },
		Needs:     func(Keys) []string { return []string{telnyxAPIKey} },
		Authorize: func(h http.Header, k Keys) { h.Set("Authorization", "Bearer "+k.first(telnyxAPIKey)) },
		Rate:      10, // not documented for these endpoints
		Delays:    []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     telnyxWants,
		Holds:     holding(normalizeTelnyx, isFinal),
		Complete:  func(c *call.Event) bool { n := node{v: c.Raw}; return n.at("summary").isObject() && telnyxFinal(n) },
		Calls:     func(Keys) []Listing { return telnyxLists() },
	}
}

// telnyxWants asks for the call report after the end of a leg, by the SDK's own
// call id where the webhook has it. A call that nobody answered, and a leg of the
// telephone network, have none.
func telnyxWants(e *call.Event, _ Keys) []Ask {
	raw := node{v: e.Raw}
	unanswered := e.DurationSec != nil && *e.DurationSec == 0
	if e.Kind != call.Ended || raw.at("summary").isObject() || unanswered || e.Transport == call.PSTN {
		return nil
	}
	id := raw.at("CallLegId").or(raw.at("call_leg_id")).or(node{v: e.CallID}).text()
	for _, h := range raw.at("custom_headers").list() {
		if foldWord(h.at("name").text()) == "x-rtc-callid" && h.at("value").text() != "" {
			id = strings.ToLower(h.at("value").text())
		}
	}
	return about(e.CallID, "/voice_sdk_call_reports/%s", id)
}

// telnyxLists are the lists with page[number], the webhooks that Telnyx sent, or
// tried to send, in front.
func telnyxLists() []Listing {
	return []Listing{
		{
			Name: "webhook_deliveries",
			Filters: []string{
				"filter[status][eq]", "filter[event_type]", "filter[webhook][contains]", "filter[attempts][contains]",
				"filter[finished_at][gte]", "filter[finished_at][lte]",
			},
			First: func(since, until time.Time, _ Keys) Ask {
				q := url.Values{"filter[event_type]": {"call.initiated,call.answered,call.hangup,call.cost"}}
				setTime(q, "filter[started_at][gte]", since)
				setTime(q, "filter[started_at][lte]", until)
				return telnyxFirst("/webhook_deliveries", q)
			},
			Page: telnyxPage(false, func(n node) Listed {
				hook := n.at("webhook")
				return telnyxListedWebhook(hook, hook.at("event_type").text(), firstTime(hook.at("occurred_at").time(), n.at("started_at").time()))
			}),
		},
		{
			Name: "voice_sdk_call_reports",
			First: func(_, _ time.Time, _ Keys) Ask {
				return telnyxFirst("/voice_sdk_call_reports", url.Values{"sort": {"-created_at"}})
			},
			Page: telnyxPage(true, func(n node) Listed {
				id := n.at("telnyx_leg_id").or(n.at("summary", "telnyxLegId")).or(n.at("summary", "callId")).or(n.at("call_id")).text()
				return Listed{CallID: strings.ToLower(id), At: firstTime(n.at("stored_at").time(), n.at("created_at").time()), Over: telnyxFinal(n)}
			}),
		},
		{
			Name: "call_events", // of the last 24 hours, where no leg is named
			Filters: []string{
				"filter[leg_id]", "filter[application_session_id]", "filter[connection_id]", "filter[product]",
				"filter[from]", "filter[to]", "filter[failed]",
			},
			First: func(since, _ time.Time, _ Keys) Ask {
				q := url.Values{"filter[type]": {"webhook"}}
				setTime(q, "filter[occurred_at][gte]", since) // only one condition on the time is allowed
				return telnyxFirst("/call_events", q)
			},
			Page: telnyxPage(false, func(n node) Listed {
				l := telnyxListedWebhook(node{}, n.at("name").text(), n.at("event_timestamp").time())
				l.CallID = n.at("call_leg_id").text()
				return l
			}),
		},
		{
			Name:    "detail_records",
			Filters: []string{"filter[date_range]", "filter[auth_username]", "filter[record_type]"},
			First: func(_, _ time.Time, _ Keys) Ask {
				return telnyxFirst("/detail_records", url.Values{"filter[record_type]": {"webrtc"}})
			},
			Page: telnyxPage(false, func(n node) Listed {
				id := n.at("telnyx_leg_id").or(n.at("call_leg_id")).or(n.at("call_id")).or(n.at("id")).text()
				return Listed{CallID: id, At: firstTime(n.at("finished_at").time(), n.at("started_at").time()), Over: n.at("finished_at").text() != ""}
			}),
		},
	}
}

func telnyxFirst(path string, q url.Values) Ask {
	q.Set("page[number]", "1")
	q.Set("page[size]", pageSize)
	return Ask{Path: path, Query: q}
}

func telnyxListedWebhook(hook node, eventType string, at time.Time) Listed {
	p := hook.at("payload")
	id := p.at("call_leg_id").or(p.at("call_control_id")).or(p.at("call_session_id")).text()
	return Listed{CallID: id, At: at, Over: eventType == "call.hangup"}
}

// telnyxPage reads {data, meta}. Only a list whose newest come first ends at a
// page of old calls.
func telnyxPage(newestFirst bool, read func(n node) Listed) func(Ask, []byte, time.Time, Keys) (Page, error) {
	return func(this Ask, answer []byte, since time.Time, _ Keys) (Page, error) {
		whole, records, err := pageOf(answer, "data")
		if err != nil {
			return Page{}, err
		}
		meta := whole.at("meta")
		page := Page{Calls: listed(records, read), Total: total(meta.at("total_results"))}
		number, pages := meta.at("page_number").integer(), meta.at("total_pages").integer()
		last := number == nil || pages == nil || *number >= *pages
		if last || len(records) == 0 || newestFirst && allBefore(page.Calls, since) {
			return page, nil
		}
		page.Next, err = this.numbered("page[number]")
		return page, err
	}
}
