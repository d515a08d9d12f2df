package providerfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"callwatch/normalizer"
)

const signalwireProject = "8f0a119a-cda7-4497-a47d-c81493b824d4"

func signalwire() api {
	const accounts = "/api/laml/2010-04-01/Accounts/" + signalwireProject
	return api{
		keys: normalizer.Keys{"PROJECT_ID": {signalwireProject}, "API_TOKEN": {"PT_made-up"}},
		letIn: func(h http.Header) bool {
			user, password, ok := (&http.Request{Header: h}).BasicAuth()
			return ok && user == signalwireProject && password == "PT_made-up"
		},
		refuse: func(_ int, words string) any { return object{"error": words} },
		routes: map[string]func(*Server, *http.Request) reply{
			"GET /api/voice/logs/{id}":        func(s *Server, r *http.Request) reply { return s.one(r.PathValue("id"), "log") },
			"GET /api/voice/logs/{id}/events": func(s *Server, r *http.Request) reply { return s.one(r.PathValue("id"), "events") },
			"GET /api/voice/logs":             signalwireLogs,
			"GET " + accounts + "/Calls/{id}": func(s *Server, r *http.Request) reply { return s.one(r.PathValue("id"), "call") },
			"GET " + accounts + "/Calls":      signalwireCalls,
		},
		make: signalwireCall,
	}
}

// signalwireToken is what a page behind the first must be asked for with.
func signalwireToken(page int) string { return fmt.Sprintf("PA%04d", page) }

func signalwireLogs(s *Server, r *http.Request) reply {
	number, size := whole(r, "page_number", 0, 1e6), max(whole(r, "page_size", 50, 1000), 1)
	if number > 0 && r.URL.Query().Get("page_token") != signalwireToken(number) {
		return reply{status: http.StatusUnprocessableEntity, body: object{"errors": []object{{
			"type": "validation_error", "code": "invalid_parameter", "message": "page_token is missing", "attribute": "page_token",
		}}}}
	}
	calls := s.between(instant(r, "created_after", time.DateOnly), instant(r, "created_before", time.DateOnly))
	records := signalwireRecords(calls, number*size, size, "log")
	address := func(page int) string {
		q := r.URL.Query()
		q.Set("page_number", strconv.Itoa(page))
		if q.Del("page_token"); page > 0 {
			q.Set("page_token", signalwireToken(page))
		}
		return "http://" + r.Host + r.URL.Path + "?" + q.Encode()
	}
	links := object{"self": address(number), "first": address(0)}
	if (number+1)*size < len(calls) {
		links["next"] = address(number + 1)
	}
	return reply{body: object{"links": links, "data": records}}
}

func signalwireCalls(s *Server, r *http.Request) reply {
	page, size := whole(r, "Page", 0, 1e6), max(whole(r, "PageSize", 50, 1000), 1)
	if page > 0 && r.URL.Query().Get("PageToken") != signalwireToken(page) {
		return reply{status: http.StatusBadRequest, body: object{"code": 20001, "message": "PageToken is missing", "status": 400}}
	}
	calls := s.between(instant(r, "StartTime>", http.TimeFormat), instant(r, "StartTime<", http.TimeFormat))
	var next any
	if (page+1)*size < len(calls) {
		q := url.Values{}
		for name, values := range r.URL.Query() {
			q[name] = values
		}
		q.Set("Page", strconv.Itoa(page+1))
		q.Set("PageToken", signalwireToken(page+1))
		next = r.URL.Path + "?" + q.Encode()
	}
	return reply{body: object{
		"uri": r.URL.Path, "next_page_uri": next, "page": page, "page_size": size,
		"calls": signalwireRecords(calls, page*size, size, "call"),
	}}
}

func signalwireRecords(calls []*Call, from, size int, part string) []any {
	records := []any{}
	for _, c := range calls[min(from, len(calls)):min(from+size, len(calls))] {
		records = append(records, c.More[part])
	}
	return records
}

// signalwireCall ends with a form or with a call state, by turns.
func signalwireCall(m *maker) Call {
	id, segment := m.uuid(), m.uuid()
	from, to := m.number(), m.number()
	mos, rtt := float64(m.between(250, 450))/100, m.between(20, 400)
	duration := int(m.talkSec())
	quality := func(o object) object {
		o["audio_in_mos"], o["audio_rtt_avg"], o["audio_rtt_max"] = fmt.Sprintf("%.2f", mos), rtt, 2*rtt
		o["audio_out_jitter_avg"], o["audio_out_lost"] = 5, m.IntN(10)
		return o
	}
	c := Call{ID: id, Figures: map[string]float64{"mos": mos, "rttMs": float64(rtt)}, More: map[string]any{}}
	c.More["call"] = quality(object{
		"sid": id, "account_sid": signalwireProject, "date_created": m.started.Format(time.RFC1123Z), "date_updated": m.ended.Format(time.RFC1123Z),
		"start_time": m.answered.Format(time.RFC1123Z), "end_time": m.ended.Format(time.RFC1123Z), "from": from, "to": to, "status": "completed",
		"duration": duration, "price": 0.01, "price_unit": "USD", "direction": "outbound", "sip_result_code": "200",
	})
	logID, kind := segment, "relay_pstn_call"
	if m.index%2 == 0 {
		logID, kind = id, "laml_call"
		c.Webhook = Webhook{"application/x-www-form-urlencoded", []byte(url.Values{
			"CallSid": {id}, "AccountSid": {signalwireProject}, "ApiVersion": {"2010-04-01"}, "CallStatus": {"completed"},
			"Direction": {"outbound-api"}, "From": {from}, "To": {to}, "Timestamp": {m.ended.Format(time.RFC1123Z)},
			"CallbackSource": {"call-progress-events"}, "CallDuration": {strconv.Itoa(duration)},
		}.Encode())}
	} else {
		c.Also = []string{segment}
		c.Webhook = Webhook{"application/json", signalwireState(m, id, segment, from, to)}
	}
	log := object{
		"id": logID, "type": kind, "from": from, "to": to, "source": "realtime_api", "status": "completed", "direction": "outbound",
		"duration": duration, "duration_ms": m.ended.Sub(m.answered).Milliseconds(), "charge": 0.01, "created_at": stamp(m.started), "url": nil,
	}
	if kind == "laml_call" {
		log["source"] = "laml" // its figures are those of the Compatibility call
	} else {
		log = quality(log)
	}
	c.More["log"] = log
	c.More["events"] = object{"data": []object{
		{"event_at": stamp(m.started), "level": "info", "name": "calling_call_initiated", "details": object{}, "project_id": signalwireProject, "log_id": logID},
		{"event_at": stamp(m.ended), "level": "info", "name": "calling_call_ended", "details": object{}, "project_id": signalwireProject, "log_id": logID},
	}}
	return c
}

func signalwireState(m *maker, id, segment, from, to string) []byte {
	body, err := json.Marshal(object{
		"event_type": "calling.call.state", "timestamp": float64(m.ended.UnixMilli()) / 1000, "project_id": signalwireProject,
		"params": object{
			"call_id": id, "segment_id": segment, "call_state": "ended", "direction": "outbound", "end_reason": "hangup",
			"device":     object{"type": "phone", "params": object{"from_number": from, "to_number": to}},
			"start_time": m.started.UnixMilli(), "answer_time": m.answered.UnixMilli(), "end_time": m.ended.UnixMilli(),
		},
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	return body
}
