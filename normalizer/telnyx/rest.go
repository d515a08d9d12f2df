package telnyx

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const apiKey = "API_KEY"

// restAPI asks for the Voice SDK call reports of a call, which nothing pushes.
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base:      func(normalizer.Keys) string { return "https://api.telnyx.com/v2" },
		Needs:     func(normalizer.Keys) []string { return []string{apiKey} },
		Authorize: func(h http.Header, k normalizer.Keys) { h.Set("Authorization", "Bearer "+k.First(apiKey)) },
		Rate:      10, // not documented for these endpoints
		Delays:    []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute},
		Wants:     wants,
		Holds:     normalizer.HoldingOf(normalizeTelnyx, normalizer.IsFinal),
		Complete:  func(c *call.Event) bool { n := lenient.Of(c.Raw); return n.At("summary").IsObject() && final(n) },
		Calls:     func(normalizer.Keys) []normalizer.Listing { return lists() },
	}
}

// wants asks for the call report after the end of a leg, by the SDK's own
// call id where the webhook has it. A call that by its cause nobody answered and that
// carried no packets, and a leg of the telephone network, have none.
func wants(e *call.Event, _ normalizer.Keys) []normalizer.Ask {
	raw := lenient.Of(e.Raw)
	carried := func(packets *int64) bool { return packets != nil && *packets > 0 }
	unanswered := e.DurationSec != nil && *e.DurationSec == 0 && !carried(e.PacketsReceived) && !carried(e.PacketsSent)
	if e.Kind != call.Ended || raw.At("summary").IsObject() || unanswered || e.Transport == call.PSTN {
		return nil
	}
	id := raw.At("CallLegId").Or(raw.At("call_leg_id")).Or(lenient.Of(e.CallID)).Text()
	for _, h := range raw.At("custom_headers").List() {
		if lenient.FoldWord(h.At("name").Text()) == "x-rtc-callid" && h.At("value").Text() != "" {
			id = strings.ToLower(h.At("value").Text())
		}
	}
	return normalizer.AskAbout(e.CallID, "/voice_sdk_call_reports/%s", id)
}

// lists are the lists with page[number], the webhooks that Telnyx sent, or
// tried to send, in front.
func lists() []normalizer.Listing {
	return []normalizer.Listing{
		{
			Name: "webhook_deliveries",
			Filters: []string{
				"filter[status][eq]", "filter[event_type]", "filter[webhook][contains]", "filter[attempts][contains]",
				"filter[finished_at][gte]", "filter[finished_at][lte]",
			},
			First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
				q := url.Values{"filter[event_type]": {"call.initiated,call.answered,call.hangup,call.cost"}}
				normalizer.SetTime(q, "filter[started_at][gte]", since)
				normalizer.SetTime(q, "filter[started_at][lte]", until)
				return first("/webhook_deliveries", q)
			},
			Page: page(false, func(n lenient.Node) normalizer.Listed {
				hook := n.At("webhook")
				return listedWebhook(hook, hook.At("event_type").Text(), normalizer.FirstTime(hook.At("occurred_at").Time(), n.At("started_at").Time()))
			}),
		},
		{
			Name: "voice_sdk_call_reports",
			First: func(_, _ time.Time, _ normalizer.Keys) normalizer.Ask {
				return first("/voice_sdk_call_reports", url.Values{"sort": {"-created_at"}})
			},
			Page: page(true, func(n lenient.Node) normalizer.Listed {
				id := n.At("telnyx_leg_id").Or(n.At("summary", "telnyxLegId")).Or(n.At("summary", "callId")).Or(n.At("call_id")).Text()
				return normalizer.Listed{CallID: strings.ToLower(id), At: normalizer.FirstTime(n.At("stored_at").Time(), n.At("created_at").Time()), Over: final(n)}
			}),
		},
		{
			Name: "call_events", // of the last 24 hours, where no leg is named
			Filters: []string{
				"filter[leg_id]", "filter[application_session_id]", "filter[connection_id]", "filter[product]",
				"filter[from]", "filter[to]", "filter[failed]",
			},
			First: func(since, _ time.Time, _ normalizer.Keys) normalizer.Ask {
				q := url.Values{"filter[type]": {"webhook"}}
				normalizer.SetTime(q, "filter[occurred_at][gte]", since) // only one condition on the time is allowed
				return first("/call_events", q)
			},
			Page: page(false, func(n lenient.Node) normalizer.Listed {
				l := listedWebhook(lenient.Node{}, n.At("name").Text(), n.At("event_timestamp").Time())
				l.CallID = n.At("call_leg_id").Text()
				return l
			}),
		},
		{
			Name:    "detail_records",
			Filters: []string{"filter[date_range]", "filter[auth_username]", "filter[record_type]"},
			First: func(_, _ time.Time, _ normalizer.Keys) normalizer.Ask {
				return first("/detail_records", url.Values{"filter[record_type]": {"webrtc"}})
			},
			Page: page(false, func(n lenient.Node) normalizer.Listed {
				id := n.At("telnyx_leg_id").Or(n.At("call_leg_id")).Or(n.At("call_id")).Or(n.At("id")).Text()
				return normalizer.Listed{CallID: id, At: normalizer.FirstTime(n.At("finished_at").Time(), n.At("started_at").Time()), Over: n.At("finished_at").Text() != ""}
			}),
		},
	}
}

func first(path string, q url.Values) normalizer.Ask {
	q.Set("page[number]", "1")
	q.Set("page[size]", normalizer.PageSize)
	return normalizer.Ask{Path: path, Query: q}
}

func listedWebhook(hook lenient.Node, eventType string, at time.Time) normalizer.Listed {
	p := hook.At("payload")
	id := p.At("call_leg_id").Or(p.At("call_control_id")).Or(p.At("call_session_id")).Text()
	return normalizer.Listed{CallID: id, At: at, Over: eventType == "call.hangup"}
}

// page reads {data, meta}. Only a list whose newest come first ends at a
// page of old calls.
func page(newestFirst bool, read func(n lenient.Node) normalizer.Listed) func(normalizer.Ask, []byte, time.Time, normalizer.Keys) (normalizer.Page, error) {
	return func(this normalizer.Ask, answer []byte, since time.Time, _ normalizer.Keys) (normalizer.Page, error) {
		whole, records, err := normalizer.PageOf(answer, "data")
		if err != nil {
			return normalizer.Page{}, err
		}
		meta := whole.At("meta")
		page := normalizer.Page{Calls: normalizer.CallsOf(records, read), Total: normalizer.TotalOf(meta.At("total_results"))}
		number, pages := meta.At("page_number").Integer(), meta.At("total_pages").Integer()
		last := number == nil || pages == nil || *number >= *pages
		if last || len(records) == 0 || newestFirst && normalizer.AllBefore(page.Calls, since) {
			return page, nil
		}
		page.Next, err = this.Numbered("page[number]")
		return page, err
	}
}
