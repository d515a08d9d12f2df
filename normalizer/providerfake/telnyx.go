package providerfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"callwatch/normalizer"
)

func telnyx() api {
	return api{
		prefix: "/v2",
		keys:   normalizer.Keys{"API_KEY": {"KEY0123456789_made-up"}},
		letIn:  func(h http.Header) bool { return h.Get("Authorization") == "Bearer KEY0123456789_made-up" },
		refuse: func(status int, words string) any {
			code := map[int]string{http.StatusTooManyRequests: "10011", http.StatusUnauthorized: "10009"}[status]
			return object{"errors": []object{{"code": code, "title": words, "detail": words}}}
		},
		routes: map[string]func(*Server, *http.Request) reply{
			"GET /v2/voice_sdk_call_reports/{id}": func(s *Server, r *http.Request) reply {
				a := s.one(r.PathValue("id"), "")
				if a.status == http.StatusNotFound && a.call != nil && strings.HasSuffix(a.call.ID, "0") {
					return reply{body: []any{}, call: a.call} // the other way to have nothing
				}
				return a
			},
			"GET /v2/voice_sdk_call_reports": func(s *Server, r *http.Request) reply {
				return telnyxList(r, s.between(time.Time{}, time.Time{}), "report")
			},
			"GET /v2/webhook_deliveries": func(s *Server, r *http.Request) reply {
				calls := s.between(
					instant(r, "filter[started_at][gte]", time.RFC3339), instant(r, "filter[started_at][lte]", time.RFC3339))
				return telnyxList(r, calls, "delivery")
			},
			"GET /v2/call_events": func(s *Server, r *http.Request) reply {
				return telnyxList(r, s.between(s.now().Add(-24*time.Hour), time.Time{}), "event")
			},
			"GET /v2/detail_records": func(s *Server, r *http.Request) reply {
				return telnyxList(r, s.between(time.Time{}, time.Time{}), "detail")
			},
		},
		make: telnyxCall,
	}
}

func telnyxList(r *http.Request, calls []*Call, part string) reply {
	number, size := max(whole(r, "page[number]", 1, 1e6), 1), max(whole(r, "page[size]", 20, 250), 1)
	from := min((number-1)*size, len(calls))
	to := min(from+size, len(calls))
	records := []any{}
	for _, c := range calls[from:to] {
		records = append(records, c.More[part])
	}
	return reply{body: object{"data": records, "meta": object{
		"page_number": number, "page_size": size, "total_pages": (len(calls) + size - 1) / size, "total_results": len(calls),
	}}}
}

// telnyxCall is a leg of a browser, whose hangup has no figures.
func telnyxCall(m *maker) Call {
	leg, session, sdk := m.uuid(), m.uuid(), m.uuid()
	from, to := m.number(), m.number()
	headers, also := []object{{"name": "X-RTC-CALLID", "value": sdk}}, []string{sdk}
	if m.index%3 == 0 { // the report is to be had by the leg alone
		headers, also, sdk = nil, nil, leg
	}
	payload := object{
		"call_control_id": "v3:" + m.hex(20), "call_leg_id": leg, "call_session_id": session, "connection_id": "1684641123236054244",
		"from": from, "to": to, "start_time": stamp(m.started), "end_time": stamp(m.ended), "state": "hangup",
		"hangup_cause": "normal_clearing", "hangup_source": "caller", "sip_hangup_cause": "200",
		"custom_headers": headers, "call_quality_stats": nil,
	}
	hook := object{"record_type": "event", "event_type": "call.hangup", "id": m.uuid(), "occurred_at": stamp(m.ended), "payload": payload}
	body, err := json.Marshal(object{"data": hook, "meta": object{"attempt": 1, "delivered_to": "https://callwatch.example/webhooks/telnyx"}})
	if err != nil {
		panic(err) // a map of texts can always be written
	}
	rtt, jitter := m.between(20, 400), m.between(1, 40)
	report := telnyxReport(m, sdk, leg, session, rtt, jitter)
	var early any
	if m.index%5 == 1 { // the segment of a page that was left
		segment := maps.Clone(report)
		segment["flushReason"], segment["segment"] = object{"type": "buffer-limit"}, 0
		segment["stats"] = report["stats"].([]object)[:1]
		early = []any{segment}
	}
	return Call{
		ID: leg, Also: also, Webhook: Webhook{"application/json", body},
		Report: []any{report}, Early: early,
		More: map[string]any{
			"report":   report,
			"delivery": object{"id": m.uuid(), "status": "delivered", "started_at": stamp(m.ended), "finished_at": stamp(m.ended), "webhook": hook},
			"event": object{
				"call_leg_id": leg, "call_session_id": session, "event_timestamp": stamp(m.ended), "metadata": hook,
				"name": "call.hangup", "record_type": "call_event", "type": "webhook",
			},
			"detail": object{
				"record_type": "webrtc", "id": m.uuid(), "call_id": sdk, "telnyx_leg_id": leg, "telnyx_session_id": session,
				"call_sec": m.talkSec(), "billed_sec": m.talkSec(), "cost": "0.0040", "rate": "0.0020", "currency": "USD", "direction": "inbound",
				"cli": from, "cld": to, "started_at": stamp(m.started), "finished_at": stamp(m.ended),
			},
		},
		Figures: map[string]float64{"rttMs": float64(rtt), "jitterMs": float64(jitter)},
	}
}

func telnyxReport(m *maker, sdk, leg, session string, rtt, jitter int) object {
	const step = 5 * time.Second
	var stats []object
	received, lost := 0, 0
	for at := m.answered; at.Add(step).Before(m.ended); at = at.Add(step) {
		missed := m.between(0, 4)
		received, lost = received+250-missed, lost+missed
		stats = append(stats, object{
			"intervalStartUtc": stamp(at), "intervalEndUtc": stamp(at.Add(step)),
			"audio": object{
				"inbound":  object{"packetsReceived": received, "packetsLost": lost, "packetsDiscarded": 0, "bytesReceived": 160 * received, "jitterAvg": jitter},
				"outbound": object{"packetsSent": received, "bytesSent": 160 * received},
			},
			"connection": object{"roundTripTimeAvg": float64(rtt) / 1000},
		})
	}
	return object{
		"call_id": sdk, "call_report_id": "usr_" + m.hex(8), "user_agent": "TelnyxRTC/2.27.10 (Chrome 141)", "stored_at": stamp(m.ended.Add(time.Second)),
		"telnyx_session_id": session, "telnyx_leg_id": leg, "voice_sdk_id_decoded": object{"region": "us-central-1"}, "stats": stats,
		"summary": object{
			"callId": sdk, "direction": "outbound", "state": "destroy", "durationSeconds": m.ended.Sub(m.started).Seconds(),
			"callerNumber": "+14155550100", "destinationNumber": fmt.Sprintf("+141555501%02d", m.IntN(100)),
			"startTimestamp": stamp(m.started), "endTimestamp": stamp(m.ended),
		},
	}
}
