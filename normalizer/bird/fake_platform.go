package bird

import (
	"encoding/json"
	"net/http"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

func fakePlatformAPI() providerfake.API {
	return providerfake.API{
		Variant: "platform",
		Prefix:  "/v1",
		Keys:    normalizer.Keys{"ACCESS_KEY": {"bk_eu1_made-up"}},
		Admits:  func(h http.Header) bool { return h.Get("Authorization") == "Bearer bk_eu1_made-up" },
		Refuse: func(_ int, words string) any {
			return providerfake.Object{"error": providerfake.Object{"type": "request_error", "code": "E01001", "name": words, "message": words}}
		},
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /v1/voice/calls/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply { return s.One(r.PathValue("id"), "") },
			"GET /v1/voice/calls": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				calls := s.Between(providerfake.Instant(r, "started_after", time.RFC3339), providerfake.Instant(r, "started_before", time.RFC3339))
				from, size := providerfake.After(calls, r.URL.Query().Get("starting_after")), max(providerfake.Whole(r, "limit", 25, 100), 1)
				records, more := providerfake.Slice(calls, from, size)
				body := providerfake.Object{"data": records, "next_cursor": nil, "prev_cursor": nil}
				if more {
					body["next_cursor"] = calls[from+size-1].ID
				}
				return providerfake.Reply{Body: body}
			},
		},
		NewCall: makePlatformCall,
	}
}

func makePlatformCall(m *providerfake.Maker) providerfake.Call {
	id := "vcl_" + m.Hex(26)
	mos, rtt := float64(m.Score(25, 45))/10, m.Flaw(20, 400)
	from, to := m.Number(), m.Number()
	call := func(more providerfake.Object) providerfake.Object {
		o := providerfake.Object{
			"id": id, "session_id": nil, "workspace_id": "ws_" + m.Hex(26), "direction": "outbound", "from": from, "to": to,
			"sip_trunk_id": "spt_" + m.Hex(26), "status": "answered", "sip_response_code": 200, "started_at": providerfake.Stamp(m.Started),
			"answered_at": providerfake.Stamp(m.Answered), "ended_at": providerfake.Stamp(m.Ended), "duration_ms": m.Ended.Sub(m.Started).Milliseconds(),
			"billable_ms": m.Ended.Sub(m.Answered).Milliseconds(), "pdd_ms": m.Between(400, 2000),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	body, err := json.Marshal(providerfake.Object{"type": "voice_call.ended", "timestamp": providerfake.Stamp(m.Ended), "data": providerfake.Object{
		"call_id": id, "session_id": nil, "workspace_id": "ws_" + m.Hex(26), "direction": "outbound", "from": from, "to": to, "status": "answered",
		"sip_response_code": 200, "duration_ms": m.Ended.Sub(m.Started).Milliseconds(), "billable_ms": m.Ended.Sub(m.Answered).Milliseconds(),
	}})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	return providerfake.Call{
		ID: id, Webhook: providerfake.Webhook{ContentType: "application/json", Body: body}, Early: call(nil),
		Report: call(providerfake.Object{
			"cost":          providerfake.Object{"amount": "0.0342", "currency_code": "USD"},
			"media_quality": providerfake.Object{"mos": mos, "jitter_ms": m.Flaw(1, 40), "packet_loss_pct": 1.5, "round_trip_time_ms": rtt},
		}),
		Figures: map[string]float64{"mos": mos, "rttMs": float64(rtt)},
	}
}
