package providerfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"callwatch/normalizer"
)

func butter() api {
	const key = "butter-made-up"
	return api{
		keys: normalizer.Keys{"API_KEY": {key}},
		letIn: func(h http.Header) bool {
			return h.Get("X-Api-Key") == key || h.Get("Authorization") == "Bearer "+key
		},
		refuse: func(_ int, words string) any { return object{"success": false, "error": words} },
		routes: map[string]func(*Server, *http.Request) reply{
			"GET /api/calls/{id}": func(s *Server, r *http.Request) reply {
				a := s.one(r.PathValue("id"), "")
				if a.status == 0 {
					a.body = object{"success": true, "data": a.body}
				}
				return a
			},
			"GET /api/calls": func(s *Server, r *http.Request) reply {
				calls := s.between(time.Time{}, time.Time{})
				from, size := after(calls, r.URL.Query().Get("cursor")), max(whole(r, "page_size", 20, 100), 1)
				records, more := slice(calls, from, size)
				pages := object{"next_cursor": nil, "has_more": more, "page_size": size, "total_count": len(calls)}
				if more {
					pages["next_cursor"] = calls[from+size-1].ID
				}
				return reply{body: object{"success": true, "data": records, "pagination": pages}}
			},
		},
		make: butterCall,
	}
}

// butterCall is still going on, as the API has it, until its report is there.
func butterCall(m *maker) Call {
	id := fmt.Sprintf("call_%s%06x", m.hex(8), m.index)
	from, to := m.number(), m.number()
	ttfb := m.between(300, 1500)
	call := func(more object) object {
		o := object{
			"call_sid": id, "from_number": from, "to_number": to, "agent_id": "agent_1", "agent_name": "Front desk", "call_type": "outbound",
			"transport": "twilio", "created_at": stamp(m.started), "start_time": stamp(m.started),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	c := Call{
		ID: id, Figures: map[string]float64{"turnLatencyMs": float64(ttfb)},
		Report: call(object{
			"status": "completed", "duration_seconds": m.talkSec(), "end_time": stamp(m.ended), "turn_count": 1, "total_cost": 8.75,
			"summary": object{"end_reason": "tool_end_call", "interruptions": 1},
			"errors":  object{"error_count": 0, "has_fatal_errors": false, "errors": []any{}},
			"turns": []object{{"turn_number": 1, "duration_seconds": 4.5, "events": []object{{
				"type": "assistant_response", "text": "Hello.", "relative_time": 1.5, "metadata": object{"llm": object{"total_tokens": 90, "ttfb": float64(ttfb) / 1000}},
			}}}},
		}),
		Record: call(object{"status": "completed", "duration_seconds": m.talkSec(), "end_time": stamp(m.ended)}),
	}
	if m.index%2 == 1 {
		c.Early = call(object{"status": "in-progress", "duration_seconds": nil, "end_time": nil})
	}
	body, err := json.Marshal(object{
		"call_sid": id, "status": "completed", "duration": int(m.talkSec()), "timestamp": stamp(m.ended), "error_code": nil, "error_message": nil,
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = Webhook{"application/json", body}
	return c
}
