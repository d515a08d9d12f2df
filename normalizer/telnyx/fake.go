package telnyx

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

// FakeAPIs are stand-ins for the REST API.
func FakeAPIs() []providerfake.API { return []providerfake.API{fakeAPI()} }

func fakeAPI() providerfake.API {
	return providerfake.API{
		Prefix: "/v2",
		Keys:   normalizer.Keys{"API_KEY": {"KEY0123456789_made-up"}},
		Admits: func(h http.Header) bool { return h.Get("Authorization") == "Bearer KEY0123456789_made-up" },
		Refuse: func(status int, words string) any {
			code := map[int]string{http.StatusTooManyRequests: "10011", http.StatusUnauthorized: "10009"}[status]
			return providerfake.Object{"errors": []providerfake.Object{{"code": code, "title": words, "detail": words}}}
		},
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /v2/voice_sdk_call_reports/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				a := s.One(r.PathValue("id"), "")
				if a.Status == http.StatusNotFound && a.Call != nil && strings.HasSuffix(a.Call.ID, "0") {
					return providerfake.Reply{Body: []any{}, Call: a.Call} // the other way to have nothing
				}
				return a
			},
			"GET /v2/voice_sdk_call_reports": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return fakeList(r, s.Between(time.Time{}, time.Time{}), "report")
			},
			"GET /v2/webhook_deliveries": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				calls := s.Between(
					providerfake.Instant(r, "filter[started_at][gte]", time.RFC3339), providerfake.Instant(r, "filter[started_at][lte]", time.RFC3339))
				return fakeList(r, calls, "delivery")
			},
			"GET /v2/call_events": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return fakeList(r, s.Between(s.Time().Add(-24*time.Hour), time.Time{}), "event")
			},
			"GET /v2/detail_records": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return fakeList(r, s.Between(time.Time{}, time.Time{}), "detail")
			},
		},
		NewCall: makeCall,
	}
}

func fakeList(r *http.Request, calls []*providerfake.Call, part string) providerfake.Reply {
	number, size := max(providerfake.Whole(r, "page[number]", 1, 1e6), 1), max(providerfake.Whole(r, "page[size]", 20, 250), 1)
	from := min((number-1)*size, len(calls))
	to := min(from+size, len(calls))
	records := []any{}
	for _, c := range calls[from:to] {
		records = append(records, c.More[part])
	}
	return providerfake.Reply{Body: providerfake.Object{"data": records, "meta": providerfake.Object{
		"page_number": number, "page_size": size, "total_pages": (len(calls) + size - 1) / size, "total_results": len(calls),
	}}}
}

// makeCall is a leg of a browser, whose hangup has no figures.
func makeCall(m *providerfake.Maker) providerfake.Call {
	leg, session, sdk := m.Uuid(), m.Uuid(), m.Uuid()
	from, to := m.Number(), m.Number()
	headers, also := []providerfake.Object{{"name": "X-RTC-CALLID", "value": sdk}}, []string{sdk}
	if m.Index%3 == 0 { // the report is to be had by the leg alone
		headers, also, sdk = nil, nil, leg
	}
	payload := providerfake.Object{
		"call_control_id": "v3:" + m.Hex(20), "call_leg_id": leg, "call_session_id": session, "connection_id": "1684641123236054244",
		"from": from, "to": to, "start_time": providerfake.Stamp(m.Started), "end_time": providerfake.Stamp(m.Ended), "state": "hangup",
		"hangup_cause": "normal_clearing", "hangup_source": "caller", "sip_hangup_cause": "200",
		"custom_headers": headers, "call_quality_stats": nil,
	}
	hook := providerfake.Object{"record_type": "event", "event_type": "call.hangup", "id": m.Uuid(), "occurred_at": providerfake.Stamp(m.Ended), "payload": payload}
	body, err := json.Marshal(providerfake.Object{"data": hook, "meta": providerfake.Object{"attempt": 1, "delivered_to": "https://callwatch.example/webhooks/telnyx"}})
	if err != nil {
		panic(err) // a map of texts can always be written
	}
	rtt, jitter := m.Flaw(20, 400), m.Flaw(1, 40)
	report := makeReport(m, sdk, leg, session, rtt, jitter)
	var early any
	if m.Index%5 == 1 { // the segment of a page that was left
		segment := maps.Clone(report)
		segment["flushReason"], segment["segment"] = providerfake.Object{"type": "buffer-limit"}, 0
		segment["stats"] = report["stats"].([]providerfake.Object)[:1]
		early = []any{segment}
	}
	return providerfake.Call{
		ID: leg, Also: also, Webhook: providerfake.Webhook{ContentType: "application/json", Body: body},
		Report: []any{report}, Early: early,
		More: map[string]any{
			"report":   report,
			"delivery": providerfake.Object{"id": m.Uuid(), "status": "delivered", "started_at": providerfake.Stamp(m.Ended), "finished_at": providerfake.Stamp(m.Ended), "webhook": hook},
			"event": providerfake.Object{
				"call_leg_id": leg, "call_session_id": session, "event_timestamp": providerfake.Stamp(m.Ended), "metadata": hook,
				"name": "call.hangup", "record_type": "call_event", "type": "webhook",
			},
			"detail": providerfake.Object{
				"record_type": "webrtc", "id": m.Uuid(), "call_id": sdk, "telnyx_leg_id": leg, "telnyx_session_id": session,
				"call_sec": m.TalkSec(), "billed_sec": m.TalkSec(), "cost": "0.0040", "rate": "0.0020", "currency": "USD", "direction": "inbound",
				"cli": from, "cld": to, "started_at": providerfake.Stamp(m.Started), "finished_at": providerfake.Stamp(m.Ended),
			},
		},
		Figures: map[string]float64{"rttMs": float64(rtt), "jitterMs": float64(jitter)},
	}
}

func makeReport(m *providerfake.Maker, sdk, leg, session string, rtt, jitter int) providerfake.Object {
	const step = 5 * time.Second
	var stats []providerfake.Object
	received, lost := 0, 0
	for at := m.Answered; at.Add(step).Before(m.Ended); at = at.Add(step) {
		missed := m.Between(0, 4)
		received, lost = received+250-missed, lost+missed
		stats = append(stats, providerfake.Object{
			"intervalStartUtc": providerfake.Stamp(at), "intervalEndUtc": providerfake.Stamp(at.Add(step)),
			"audio": providerfake.Object{
				"inbound":  providerfake.Object{"packetsReceived": received, "packetsLost": lost, "packetsDiscarded": 0, "bytesReceived": 160 * received, "jitterAvg": jitter},
				"outbound": providerfake.Object{"packetsSent": received, "bytesSent": 160 * received},
			},
			"connection": providerfake.Object{"roundTripTimeAvg": float64(rtt) / 1000},
		})
	}
	return providerfake.Object{
		"call_id": sdk, "call_report_id": "usr_" + m.Hex(8), "user_agent": "TelnyxRTC/2.27.10 (Chrome 141)", "stored_at": providerfake.Stamp(m.Ended.Add(time.Second)),
		"telnyx_session_id": session, "telnyx_leg_id": leg, "voice_sdk_id_decoded": providerfake.Object{"region": "us-central-1"}, "stats": stats,
		"summary": providerfake.Object{
			"callId": sdk, "direction": "outbound", "state": "destroy", "durationSeconds": m.Ended.Sub(m.Started).Seconds(),
			"callerNumber": "+14155550100", "destinationNumber": fmt.Sprintf("+141555501%02d", m.IntN(100)),
			"startTimestamp": providerfake.Stamp(m.Started), "endTimestamp": providerfake.Stamp(m.Ended),
		},
	}
}
