package butter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

// FakeAPIs are stand-ins for the REST API.
func FakeAPIs() []providerfake.API { return []providerfake.API{fakeAPI()} }

func fakeAPI() providerfake.API {
	const key = "butter-fake-key"
	return providerfake.API{
		Keys: normalizer.Keys{"API_KEY": {key}},
		Admits: func(h http.Header) bool {
			return h.Get("X-Api-Key") == key || h.Get("Authorization") == "Bearer "+key
		},
		Refuse: func(_ int, words string) any { return providerfake.Object{"success": false, "error": words} },
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /api/calls/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				a := s.One(r.PathValue("id"), "")
				if a.Status == 0 {
					a.Body = providerfake.Object{"success": true, "data": a.Body}
				}
				return a
			},
			"GET /api/calls": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				calls := s.Between(time.Time{}, time.Time{})
				from, size := providerfake.After(calls, r.URL.Query().Get("cursor")), max(providerfake.Whole(r, "page_size", 20, 100), 1)
				records, more := providerfake.Slice(calls, from, size)
				pages := providerfake.Object{"next_cursor": nil, "has_more": more, "page_size": size, "total_count": len(calls)}
				if more {
					pages["next_cursor"] = calls[from+size-1].ID
				}
				return providerfake.Reply{Body: providerfake.Object{"success": true, "data": records, "pagination": pages}}
			},
		},
		NewCall: makeCall,
	}
}

// makeCall is still going on, as the API has it, until its report is there.
func makeCall(m *providerfake.Maker) providerfake.Call {
	id := fmt.Sprintf("call_%s%06x", m.Hex(8), m.Index)
	from, to := m.Number(), m.Number()
	ttfb := m.Between(300, 1500)
	call := func(more providerfake.Object) providerfake.Object {
		o := providerfake.Object{
			"call_sid": id, "from_number": from, "to_number": to, "agent_id": "agent_1", "agent_name": "Front desk", "call_type": "outbound",
			"transport": "twilio", "created_at": providerfake.Stamp(m.Started), "start_time": providerfake.Stamp(m.Started),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	c := providerfake.Call{
		ID: id, Figures: map[string]float64{"turnLatencyMs": float64(ttfb)},
		Report: call(providerfake.Object{
			"status": "completed", "duration_seconds": m.TalkSec(), "end_time": providerfake.Stamp(m.Ended), "turn_count": 1, "total_cost": 8.75,
			"summary": providerfake.Object{"end_reason": "tool_end_call", "interruptions": 1},
			"errors":  providerfake.Object{"error_count": 0, "has_fatal_errors": false, "errors": []any{}},
			"turns": []providerfake.Object{{"turn_number": 1, "duration_seconds": 4.5, "events": []providerfake.Object{{
				"type": "assistant_response", "text": "Hello.", "relative_time": 1.5, "metadata": providerfake.Object{"llm": providerfake.Object{"total_tokens": 90, "ttfb": float64(ttfb) / 1000}},
			}}}},
		}),
		Record: call(providerfake.Object{"status": "completed", "duration_seconds": m.TalkSec(), "end_time": providerfake.Stamp(m.Ended)}),
	}
	if m.Index%2 == 1 {
		c.Early = call(providerfake.Object{"status": "in-progress", "duration_seconds": nil, "end_time": nil})
	}
	body, err := json.Marshal(providerfake.Object{
		"call_sid": id, "status": "completed", "duration": int(m.TalkSec()), "timestamp": providerfake.Stamp(m.Ended), "error_code": nil, "error_message": nil,
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = providerfake.Webhook{ContentType: "application/json", Body: body}
	return c
}
