package normalizer

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
)

// Settings of SignalWire's REST APIs.
const (
	signalwireSpace     = "SPACE"
	signalwireProjectID = "PROJECT_ID"
	signalwireAPIToken  = "API_TOKEN"
)

const signalwireLogs = "/api/voice/logs"

// signalwireAPI asks for the Compatibility call after a cXML end, and for the
// voice log with its events after the end of a Relay or SWML call.
func signalwireAPI() *REST {
	return &REST{
		Base: signalwireBase,
		Needs: func(k Keys) []string {
			needs := []string{signalwireProjectID, signalwireAPIToken}
			if k.first(APIURL) == "" {
				needs = append(needs, signalwireSpace)
			}
			return needs
		},
		Authorize: func(h http.Header, k Keys) {
			pair := k.first(signalwireProjectID) + ":" + k.first(signalwireAPIToken)
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		},
		Rate:     10, // not documented
		Delays:   []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute},
		Wants:    signalwireWants,
		Holds:    signalwireHolds,
		Complete: signalwireMeasured,
		Calls:    signalwireLists,
	}
}

func signalwireBase(k Keys) string {
	space := strings.TrimSuffix(strings.ToLower(k.first(signalwireSpace)), ".signalwire.com")
	return "https://" + space + ".signalwire.com"
}

// signalwireWants follows the kind of the webhook. One that came with figures,
// and a call that nobody answered, need nothing more.
func signalwireWants(e *call.Event, k Keys) []Ask {
	if e.Kind != call.Ended || e.Status != "" && e.Status != call.Completed {
		return nil
	}
	if (node{v: e.Raw}).at("CallSid").text() != "" {
		if e.Final {
			return nil
		}
		return signalwireCompatAsk(e.CallID, k)
	}
	id := e.SessionID // the voice log's id is that of the segment
	if id == "" {
		id = e.CallID
	}
	return append(about(e.CallID, signalwireLogs+"/%s", id), about(e.CallID, signalwireLogs+"/%s/events", id)...)
}

func signalwireCompatAsk(callID string, k Keys) []Ask {
	return about(callID, "/api/laml/2010-04-01/Accounts/%s/Calls/%s", k.first(signalwireProjectID), callID)
}

// signalwireHolds: the events of a log are whole as they are; a log or call is
// when it has figures or can have none.
func signalwireHolds(a Ask, answer []byte) Holding {
	whole := signalwireMeasured
	if strings.HasSuffix(a.Path, "/events") {
		n, err := parseJSON(answer)
		if err == nil && n.at("data").isList() && len(n.at("data").list()) == 0 {
			return Nothing
		}
		whole = func(*call.Event) bool { return true }
	}
	held := holding(normalizeSignalwire, whole)(a, answer)
	if held != Part {
		return held
	}
	events, err := normalizeSignalwire(&Body{Source: Fetched, ContentType: "application/json", Bytes: answer, CallID: a.CallID})
	if err == nil && len(events) == 1 && events[0].Status == call.InProgress {
		return Nothing
	}
	return held
}

// signalwireMeasured says whether the figures of a call are known, or that it can
// have none.
func signalwireMeasured(e *call.Event) bool {
	switch e.Status {
	case call.Busy, call.NoAnswer, call.Canceled, call.Failed:
		return true
	}
	return e.MOSProvider != nil || e.RTTMs != nil || e.PacketsReceived != nil
}

// signalwireLists are the voice logs, in which every call is, and the calls of
// the Compatibility API. Days are as fine as the logs' filters are.
func signalwireLists(k Keys) []Listing {
	const day = 24 * time.Hour
	logs := Listing{
		Name:    "voice logs",
		Filters: []string{"include_deleted", "created_on"},
		First: func(since, until time.Time, _ Keys) Ask {
			q := url.Values{"page_size": {pageSize}}
			if !since.IsZero() {
				q.Set("created_after", since.Add(-day).UTC().Format(time.DateOnly))
			}
			if !until.IsZero() {
				q.Set("created_before", until.Add(day).UTC().Format(time.DateOnly))
			}
			return Ask{Path: signalwireLogs, Query: q}
		},
		Page: signalwirePage("data", []string{"links", "next"}, signalwireListedLog),
	}
	account := segment(k.first(signalwireProjectID))
	if account == "" {
		return []Listing{logs}
	}
	calls := Listing{
		Name:    "Compatibility calls",
		Filters: []string{"From", "To", "Status", "ParentCallSid", "StartTime", "EndTime", "EndTime<", "EndTime>"},
		First: func(since, until time.Time, _ Keys) Ask {
			q := url.Values{"PageSize": {pageSize}, "Page": {"0"}}
			for name, t := range map[string]time.Time{"StartTime>": since, "StartTime<": until} {
				if !t.IsZero() {
					q.Set(name, t.UTC().Format(http.TimeFormat))
				}
			}
			return Ask{Path: "/api/laml/2010-04-01/Accounts/" + account + "/Calls", Query: q}
		},
		Page: signalwirePage("calls", []string{"next_page_uri"}, func(n node, _ Keys) Listed {
			return Listed{
				CallID: n.at("sid").text(), At: n.at("end_time").or(n.at("start_time")).or(n.at("date_created")).time(),
				Over: signalwireOver(n),
			}
		}),
	}
	return []Listing{logs, calls}
}

// signalwireListedLog knows calls of Relay and SWML by their segment alone, and
// asks for the Compatibility call where the log of one came without figures.
func signalwireListedLog(n node, k Keys) Listed {
	id := n.at("id").text()
	l := Listed{CallID: id, At: n.at("created_at").time(), Over: signalwireOver(n)}
	compat := n.at("type").text() == "laml_call"
	if !compat {
		l.SessionID = id
	}
	events, err := signalwireVoiceLog(n)
	if compat && l.Over && err == nil && !signalwireMeasured(&events[0]) {
		l.Asks = signalwireCompatAsk(l.CallID, k)
	}
	return l
}

func signalwireOver(n node) bool {
	status := signalwireStatus(foldWord(n.at("status").text()))
	return status != "" && status != call.InProgress
}

// signalwirePage reads a page that links to the next one.
func signalwirePage(member string, next []string, read func(node, Keys) Listed) func(Ask, []byte, time.Time, Keys) (Page, error) {
	return func(this Ask, answer []byte, _ time.Time, k Keys) (Page, error) {
		whole, records, err := pageOf(answer, member)
		if err != nil {
			return Page{}, err
		}
		page := Page{Calls: listed(records, func(n node) Listed { return read(n, k) })}
		bases := []string{signalwireBase(k)}
		if own := k.first(APIURL); own != "" {
			bases = append(bases, trimSlash(own))
		}
		page.Next, err = this.follow(whole.at(next...), bases...)
		return page, err
	}
}
