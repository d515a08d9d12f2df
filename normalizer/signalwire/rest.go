package signalwire

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

// Settings of SignalWire's REST APIs.
const (
	space     = "SPACE"
	projectID = "PROJECT_ID"
	apiToken  = "API_TOKEN"
)

const logs = "/api/voice/logs"

// restAPI asks for the Compatibility call after a cXML end, and for the
// voice log with its events after the end of a Relay or SWML call.
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base: base,
		Needs: func(k normalizer.Keys) []string {
			needs := []string{projectID, apiToken}
			if k.First(normalizer.APIURL) == "" {
				needs = append(needs, space)
			}
			return needs
		},
		Authorize: func(h http.Header, k normalizer.Keys) {
			pair := k.First(projectID) + ":" + k.First(apiToken)
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		},
		Rate:     10, // not documented
		Delays:   []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute},
		Wants:    wants,
		Holds:    holds,
		Complete: measured,
		Calls:    lists,
	}
}

func base(k normalizer.Keys) string {
	space := strings.TrimSuffix(strings.ToLower(k.First(space)), ".signalwire.com")
	return "https://" + space + ".signalwire.com"
}

// wants follows the kind of the webhook. One that came with figures,
// and a call that nobody answered, need nothing more.
func wants(e *call.Event, k normalizer.Keys) []normalizer.Ask {
	if e.Kind != call.Ended || e.Status != "" && e.Status != call.Completed {
		return nil
	}
	if lenient.Of(e.Raw).At("CallSid").Text() != "" {
		if e.Final {
			return nil
		}
		return compatAsk(e.CallID, k)
	}
	id := e.SessionID // the voice log's id is that of the segment
	if id == "" {
		id = e.CallID
	}
	return append(normalizer.AskAbout(e.CallID, logs+"/%s", id), normalizer.AskAbout(e.CallID, logs+"/%s/events", id)...)
}

func compatAsk(callID string, k normalizer.Keys) []normalizer.Ask {
	return normalizer.AskAbout(callID, "/api/laml/2010-04-01/Accounts/%s/Calls/%s", k.First(projectID), callID)
}

// holds: the events of a log are whole as they are; a log or call is
// when it has figures or can have none.
func holds(a normalizer.Ask, answer []byte) normalizer.Holding {
	whole := measured
	if strings.HasSuffix(a.Path, "/events") {
		n, err := lenient.ParseJSON(answer)
		if err == nil && n.At("data").IsList() && len(n.At("data").List()) == 0 {
			return normalizer.Nothing
		}
		whole = func(*call.Event) bool { return true }
	}
	held := normalizer.HoldingOf(normalizeSignalwire, whole)(a, answer)
	if held != normalizer.Part {
		return held
	}
	events, err := normalizeSignalwire(&normalizer.Body{Source: normalizer.Fetched, ContentType: "application/json", Bytes: answer, CallID: a.CallID})
	if err == nil && len(events) == 1 && events[0].Status == call.InProgress {
		return normalizer.Nothing
	}
	return held
}

// measured says whether the figures of a call are known, or that it can
// have none.
func measured(e *call.Event) bool {
	switch e.Status {
	case call.Busy, call.NoAnswer, call.Canceled, call.Failed:
		return true
	}
	return e.MOSProvider != nil || e.RTTMs != nil || e.PacketsReceived != nil
}

// lists are the voice logs, in which every call is, and the calls of
// the Compatibility API. Days are as fine as the logs' filters are.
func lists(k normalizer.Keys) []normalizer.Listing {
	const day = 24 * time.Hour
	logs := normalizer.Listing{
		Name:    "voice logs",
		Filters: []string{"include_deleted", "created_on"},
		First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
			q := url.Values{"page_size": {normalizer.PageSize}}
			if !since.IsZero() {
				q.Set("created_after", since.Add(-day).UTC().Format(time.DateOnly))
			}
			if !until.IsZero() {
				q.Set("created_before", until.Add(day).UTC().Format(time.DateOnly))
			}
			return normalizer.Ask{Path: logs, Query: q}
		},
		Page: page("data", []string{"links", "next"}, listedLog),
	}
	account := normalizer.PathSegment(k.First(projectID))
	if account == "" {
		return []normalizer.Listing{logs}
	}
	calls := normalizer.Listing{
		Name:    "Compatibility calls",
		Filters: []string{"From", "To", "Status", "ParentCallSid", "StartTime", "EndTime", "EndTime<", "EndTime>"},
		First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
			q := url.Values{"PageSize": {normalizer.PageSize}, "Page": {"0"}}
			for name, t := range map[string]time.Time{"StartTime>": since, "StartTime<": until} {
				if !t.IsZero() {
					q.Set(name, t.UTC().Format(http.TimeFormat))
				}
			}
			return normalizer.Ask{Path: "/api/laml/2010-04-01/Accounts/" + account + "/Calls", Query: q}
		},
		Page: page("calls", []string{"next_page_uri"}, func(n lenient.Node, _ normalizer.Keys) normalizer.Listed {
			return normalizer.Listed{
				CallID: n.At("sid").Text(), At: n.At("end_time").Or(n.At("start_time")).Or(n.At("date_created")).Time(),
				Over: over(n),
			}
		}),
	}
	return []normalizer.Listing{logs, calls}
}

// listedLog knows calls of Relay and SWML by their segment alone, and
// asks for the Compatibility call where the log of one came without figures.
func listedLog(n lenient.Node, k normalizer.Keys) normalizer.Listed {
	id := n.At("id").Text()
	l := normalizer.Listed{CallID: id, At: n.At("created_at").Time(), Over: over(n)}
	compat := n.At("type").Text() == "laml_call"
	if !compat {
		l.SessionID = id
	}
	events, err := voiceLog(n)
	if compat && l.Over && err == nil && !measured(&events[0]) {
		l.Asks = compatAsk(l.CallID, k)
	}
	return l
}

func over(n lenient.Node) bool {
	status := signalwireStatus(lenient.FoldWord(n.At("status").Text()))
	return status != "" && status != call.InProgress
}

// page reads a page that links to the next one.
func page(member string, next []string, read func(lenient.Node, normalizer.Keys) normalizer.Listed) func(normalizer.Ask, []byte, time.Time, normalizer.Keys) (normalizer.Page, error) {
	return func(this normalizer.Ask, answer []byte, _ time.Time, k normalizer.Keys) (normalizer.Page, error) {
		whole, records, err := normalizer.PageOf(answer, member)
		if err != nil {
			return normalizer.Page{}, err
		}
		page := normalizer.Page{Calls: normalizer.CallsOf(records, func(n lenient.Node) normalizer.Listed { return read(n, k) })}
		bases := []string{base(k)}
		if own := k.First(normalizer.APIURL); own != "" {
			bases = append(bases, normalizer.TrimSlash(own))
		}
		page.Next, err = this.Follow(whole.At(next...), bases...)
		return page, err
	}
}
