package twilio

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Settings of the REST API.
const (
	accountSID = "ACCOUNT_SID"
	apiKey     = "API_KEY"
	apiSecret  = "API_SECRET"
)

const (
	base      = "https://insights.twilio.com/v1"
	summaries = "/Voice/Summaries"
)

// restAPI asks Voice Insights for the summary and the metrics of a call: metrics are there
// 90 seconds after its end, a partial summary within ten minutes, the complete one within
// thirty (twilio.com/docs/voice/voice-insights/api/call).
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base: func(normalizer.Keys) string { return base },
		Needs: func(k normalizer.Keys) []string {
			if k.First(apiKey) != "" {
				return []string{apiKey, apiSecret}
			}
			return []string{accountSID, authToken}
		},
		Authorize: func(h http.Header, k normalizer.Keys) {
			user, password := k.First(apiKey), k.First(apiSecret)
			if user == "" {
				user, password = k.First(accountSID), k.First(authToken)
			}
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
		},
		Rate:     10, // not documented
		Delays:   []time.Duration{90 * time.Second, 3 * time.Minute, 6 * time.Minute, 10 * time.Minute, 12 * time.Minute},
		Wants:    wants,
		Holds:    holds,
		Complete: func(c *call.Event) bool { return c.Final },
		Calls:    func(normalizer.Keys) []normalizer.Listing { return []normalizer.Listing{list()} },
	}
}

// wants asks for the report of a call that was answered, as far as is known.
func wants(e *call.Event, _ normalizer.Keys) []normalizer.Ask {
	if e.Kind != call.Ended || e.Status != "" && e.Status != call.Completed {
		return nil
	}
	return asks(e.CallID)
}

func asks(callID string) []normalizer.Ask {
	summary := normalizer.AskAbout(callID, "/Voice/%s/Summary", callID)
	metrics := normalizer.AskAbout(callID, "/Voice/%s/Metrics", callID)
	for i := range summary {
		summary[i].Query = url.Values{"ProcessingState": {"partial"}} // the complete one where it is there
		metrics[i].Query = url.Values{"PageSize": {"1000"}}
	}
	return append(summary, metrics...)
}

// holds takes the metrics as they are, and a summary as whole once it is complete.
func holds(a normalizer.Ask, answer []byte) normalizer.Holding {
	whole := normalizer.IsFinal
	if strings.HasSuffix(a.Path, "/Metrics") {
		whole = func(*call.Event) bool { return true }
	}
	return normalizer.HoldingOf(normalizeTwilio, whole)(a, answer)
}

// list is that of the summaries of the last thirty days; without a start it would be that
// of four hours.
func list() normalizer.Listing {
	return normalizer.Listing{
		Name: "call summaries",
		Filters: []string{
			"From", "To", "FromCarrier", "ToCarrier", "FromCountryCode", "ToCountryCode", "Branded", "VerifiedCaller", "HasTag",
			"CallType", "CallState", "Direction", "Subaccount", "AbnormalSession", "AnsweredBy",
		},
		First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
			q := url.Values{"PageSize": {normalizer.PageSize}, "ProcessingState": {"all"}, "SortBy": {"end_time"}, "StartTime": {"30d"}}
			normalizer.SetTime(q, "StartTime", since)
			normalizer.SetTime(q, "EndTime", until)
			return normalizer.Ask{Path: summaries, Query: q}
		},
		Page: func(this normalizer.Ask, answer []byte, _ time.Time, k normalizer.Keys) (normalizer.Page, error) {
			whole, records, err := normalizer.PageOf(answer, "call_summaries")
			if err != nil {
				return normalizer.Page{}, err
			}
			page := normalizer.Page{Calls: normalizer.CallsOf(records, listed)}
			bases := []string{base}
			if own := k.First(normalizer.APIURL); own != "" {
				bases = append(bases, normalizer.TrimSlash(own))
			}
			page.Next, err = this.Follow(whole.At("meta", "next_page_url"), bases...)
			return page, err
		},
	}
}

// listed reads a summary of the list. One that is not complete is asked for again.
func listed(n lenient.Node) normalizer.Listed {
	l := normalizer.Listed{
		CallID: n.At("call_sid").Text(),
		At:     normalizer.FirstTime(n.At("end_time").Time(), n.At("start_time").Time(), n.At("created_time").Time()),
	}
	status := state(n.At("call_state").Text())
	l.Over = status != "" && status != call.InProgress
	if status == call.Completed && lenient.FoldWord(n.At("processing_state").Text()) != "complete" {
		l.Asks = asks(l.CallID)
	}
	return l
}
