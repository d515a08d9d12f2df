package providerfake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"callwatch/normalizer"
)

func atoms() api {
	return api{
		prefix: "/atoms/v1",
		keys:   normalizer.Keys{"API_KEY": {"sk_made-up"}},
		letIn:  func(h http.Header) bool { return h.Get("Authorization") == "Bearer sk_made-up" },
		refuse: func(_ int, words string) any { return object{"status": false, "errors": []string{words}} },
		routes: map[string]func(*Server, *http.Request) reply{
			"GET /atoms/v1/conversation/{id}": func(s *Server, r *http.Request) reply {
				a := s.one(r.PathValue("id"), "")
				if a.status == 0 {
					a.body = object{"status": true, "data": a.body}
				}
				return a
			},
			"POST /atoms/v1/conversation/search": atomsSearch,
			"GET /atoms/v1/conversation": func(s *Server, r *http.Request) reply {
				calls := s.between(time.Time{}, time.Time{})
				page, size := max(whole(r, "page", 1, 1e6), 1), max(whole(r, "limit", 5, 500), 1)
				records, more := slice(calls, (page-1)*size, size)
				return reply{body: object{"status": true, "data": object{"logs": records, "pagination": object{
					"total": len(calls), "page": page, "limit": size, "hasMore": more,
				}}}}
			},
		},
		make: atomsCall,
	}
}

func atomsSearch(s *Server, r *http.Request) reply {
	var asked struct {
		CallIDs []string `json:"callIds"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil || len(asked.CallIDs) == 0 || len(asked.CallIDs) > 100 {
		return reply{status: http.StatusBadRequest, body: s.api.refuse(http.StatusBadRequest, "callIds must hold 1 to 100 ids")}
	}
	if slices.Sort(asked.CallIDs); len(slices.Compact(slices.Clone(asked.CallIDs))) != len(asked.CallIDs) {
		return reply{status: http.StatusBadRequest, body: s.api.refuse(http.StatusBadRequest, "callIds must be unique")}
	}
	logs := []any{}
	for _, id := range asked.CallIDs {
		switch c, ready := s.find(id); {
		case c == nil:
		case ready:
			logs = append(logs, c.Report)
		case c.Early != nil:
			logs = append(logs, c.Early)
		}
	}
	return reply{body: object{"status": true, "data": object{"logs": logs, "total": len(logs), "requestedCount": len(asked.CallIDs)}}}
}

// atomsCall is processed for a while after its end.
func atomsCall(m *maker) Call {
	id := fmt.Sprintf("CALL-%d-%06x", m.ended.UnixMilli(), m.index)
	from, to, agent := m.number(), m.number(), "69fc7dd0a11e0c1d28d90001"
	latencies, sum := []int{}, 0
	for range 6 {
		latencies = append(latencies, m.between(400, 1800))
		sum += latencies[len(latencies)-1]
	}
	mean := float64(sum) / 6
	call := func(more object) object {
		o := object{
			"_id": m.hex(24), "callId": id, "agentId": agent, "agentName": "Front desk", "type": "telephony_outbound", "from": from, "to": to,
			"createdAt": stamp(m.started), "duration": m.talkSec(), "recordingUrl": "", "callCost": nil,
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	c := Call{
		ID: id, Figures: map[string]float64{"turnLatencyMs": mean},
		Early: call(object{"status": "processing", "turnLatencyMetrics": nil}),
		Report: call(object{
			"status": "completed", "callCost": 3.5, "disconnectionReason": "user_hangup", "updatedAt": stamp(m.ended.Add(time.Second)),
			"turnLatencyMetrics": object{
				"turns": 6, "avgLatency": mean, "maxLatency": latencies[0] + 1800, "latencies": latencies, "processedAt": stamp(m.ended.Add(time.Second)),
			},
		}),
	}
	body, err := json.Marshal(object{
		"url": "https://callwatch.example/webhooks/atoms", "description": "callwatch", "event": agent + ".post-conversation", "id": m.hex(24),
		"metadata": object{
			"agentId": agent, "eventType": "post-conversation", "conversationType": "telephonyOutbound", "callId": id,
			"callData": object{
				"fromNumber": from, "toNumber": to, "callDuration": m.talkSec(), "callStatus": "completed", "callDirection": "telephony_outbound",
				"answerTime": stamp(m.answered), "endTime": stamp(m.ended),
			},
		},
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = Webhook{"application/json", body}
	return c
}
