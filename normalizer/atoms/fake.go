package atoms

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

// FakeAPIs are stand-ins for the REST API.
func FakeAPIs() []providerfake.API { return []providerfake.API{fakeAPI()} }

func fakeAPI() providerfake.API {
	return providerfake.API{
		Prefix: "/atoms/v1",
		Keys:   normalizer.Keys{"API_KEY": {"sk_made-up"}},
		Admits: func(h http.Header) bool { return h.Get("Authorization") == "Bearer sk_made-up" },
		Refuse: func(_ int, words string) any { return providerfake.Object{"status": false, "errors": []string{words}} },
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /atoms/v1/conversation/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				a := s.One(r.PathValue("id"), "")
				if a.Status == 0 {
					a.Body = providerfake.Object{"status": true, "data": a.Body}
				}
				return a
			},
			"POST /atoms/v1/conversation/search": fakeSearch,
			"GET /atoms/v1/conversation": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				calls := s.Between(time.Time{}, time.Time{})
				page, size := max(providerfake.Whole(r, "page", 1, 1e6), 1), max(providerfake.Whole(r, "limit", 5, 500), 1)
				records, more := providerfake.Slice(calls, (page-1)*size, size)
				return providerfake.Reply{Body: providerfake.Object{"status": true, "data": providerfake.Object{"logs": records, "pagination": providerfake.Object{
					"total": len(calls), "page": page, "limit": size, "hasMore": more,
				}}}}
			},
		},
		NewCall: makeCall,
	}
}

func fakeSearch(s *providerfake.Server, r *http.Request) providerfake.Reply {
	var asked struct {
		CallIDs []string `json:"callIds"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil || len(asked.CallIDs) == 0 || len(asked.CallIDs) > 100 {
		return providerfake.Reply{Status: http.StatusBadRequest, Body: s.Refusal(http.StatusBadRequest, "callIds must hold 1 to 100 ids")}
	}
	if slices.Sort(asked.CallIDs); len(slices.Compact(slices.Clone(asked.CallIDs))) != len(asked.CallIDs) {
		return providerfake.Reply{Status: http.StatusBadRequest, Body: s.Refusal(http.StatusBadRequest, "callIds must be unique")}
	}
	logs := []any{}
	for _, id := range asked.CallIDs {
		switch c, ready := s.Find(id); {
		case c == nil:
		case ready:
			logs = append(logs, c.Report)
		case c.Early != nil:
			logs = append(logs, c.Early)
		}
	}
	return providerfake.Reply{Body: providerfake.Object{"status": true, "data": providerfake.Object{"logs": logs, "total": len(logs), "requestedCount": len(asked.CallIDs)}}}
}

// makeCall is processed for a while after its end.
func makeCall(m *providerfake.Maker) providerfake.Call {
	id := fmt.Sprintf("CALL-%d-%06x", m.Ended.UnixMilli(), m.Index)
	from, to, agent := m.Number(), m.Number(), "69fc7dd0a11e0c1d28d90001"
	latencies, sum := []int{}, 0
	for range 6 {
		latencies = append(latencies, m.Between(400, 1800))
		sum += latencies[len(latencies)-1]
	}
	mean := float64(sum) / 6
	call := func(more providerfake.Object) providerfake.Object {
		o := providerfake.Object{
			"_id": m.Hex(24), "callId": id, "agentId": agent, "agentName": "Front desk", "type": "telephony_outbound", "from": from, "to": to,
			"createdAt": providerfake.Stamp(m.Started), "duration": m.TalkSec(), "recordingUrl": "", "callCost": nil,
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	c := providerfake.Call{
		ID: id, Figures: map[string]float64{"turnLatencyMs": mean},
		Early: call(providerfake.Object{"status": "processing", "turnLatencyMetrics": nil}),
		Report: call(providerfake.Object{
			"status": "completed", "callCost": 3.5, "disconnectionReason": "user_hangup", "updatedAt": providerfake.Stamp(m.Ended.Add(time.Second)),
			"turnLatencyMetrics": providerfake.Object{
				"turns": 6, "avgLatency": mean, "maxLatency": latencies[0] + 1800, "latencies": latencies, "processedAt": providerfake.Stamp(m.Ended.Add(time.Second)),
			},
		}),
	}
	body, err := json.Marshal(providerfake.Object{
		"url": "https://callwatch.example/webhooks/atoms", "description": "callwatch", "event": agent + ".post-conversation", "id": m.Hex(24),
		"metadata": providerfake.Object{
			"agentId": agent, "eventType": "post-conversation", "conversationType": "telephonyOutbound", "callId": id,
			"callData": providerfake.Object{
				"fromNumber": from, "toNumber": to, "callDuration": m.TalkSec(), "callStatus": "completed", "callDirection": "telephony_outbound",
				"answerTime": providerfake.Stamp(m.Answered), "endTime": providerfake.Stamp(m.Ended),
			},
		},
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = providerfake.Webhook{ContentType: "application/json", Body: body}
	return c
}
