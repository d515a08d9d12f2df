package providerfake

import (
	"encoding/json"
	"net/http"
	"time"

	"callwatch/normalizer"
)

func birdPlatform() api {
	return api{
		prefix: "/v1",
		keys:   normalizer.Keys{"ACCESS_KEY": {"bk_eu1_made-up"}},
		letIn:  func(h http.Header) bool { return h.Get("Authorization") == "Bearer bk_eu1_made-up" },
		refuse: func(_ int, words string) any {
			return object{"error": object{"type": "request_error", "code": "E01001", "name": words, "message": words}}
		},
		routes: map[string]func(*Server, *http.Request) reply{
			"GET /v1/voice/calls/{id}": func(s *Server, r *http.Request) reply { return s.one(r.PathValue("id"), "") },
			"GET /v1/voice/calls": func(s *Server, r *http.Request) reply {
				calls := s.between(instant(r, "started_after", time.RFC3339), instant(r, "started_before", time.RFC3339))
				from, size := after(calls, r.URL.Query().Get("starting_after")), max(whole(r, "limit", 25, 100), 1)
				records, more := slice(calls, from, size)
				body := object{"data": records, "next_cursor": nil, "prev_cursor": nil}
				if more {
					body["next_cursor"] = calls[from+size-1].ID
				}
				return reply{body: body}
			},
		},
		make: birdPlatformCall,
	}
}

func birdPlatformCall(m *maker) Call {
	id := "vcl_" + m.hex(26)
	mos, rtt := float64(m.between(25, 45))/10, m.between(20, 400)
	from, to := m.number(), m.number()
	call := func(more object) object {
		o := object{
			"id": id, "session_id": nil, "workspace_id": "ws_" + m.hex(26), "direction": "outbound", "from": from, "to": to,
			"sip_trunk_id": "spt_" + m.hex(26), "status": "answered", "sip_response_code": 200, "started_at": stamp(m.started),
			"answered_at": stamp(m.answered), "ended_at": stamp(m.ended), "duration_ms": m.ended.Sub(m.started).Milliseconds(),
			"billable_ms": m.ended.Sub(m.answered).Milliseconds(), "pdd_ms": m.between(400, 2000),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	body, err := json.Marshal(object{"type": "voice_call.ended", "timestamp": stamp(m.ended), "data": object{
		"call_id": id, "session_id": nil, "workspace_id": "ws_" + m.hex(26), "direction": "outbound", "from": from, "to": to, "status": "answered",
		"sip_response_code": 200, "duration_ms": m.ended.Sub(m.started).Milliseconds(), "billable_ms": m.ended.Sub(m.answered).Milliseconds(),
	}})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	return Call{
		ID: id, Webhook: Webhook{"application/json", body}, Early: call(nil),
		Report: call(object{
			"cost":          object{"amount": "0.0342", "currency_code": "USD"},
			"media_quality": object{"mos": mos, "jitter_ms": m.between(1, 40), "packet_loss_pct": 1.5, "round_trip_time_ms": rtt},
		}),
		Figures: map[string]float64{"mos": mos, "rttMs": float64(rtt)},
	}
}
