package signalwire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

const fakeProject = "8f0a119a-cda7-4497-a47d-c81493b824d4"

// FakeAPIs are stand-ins for the REST API.
func FakeAPIs() []providerfake.API { return []providerfake.API{fakeAPI()} }

func fakeAPI() providerfake.API {
	const accounts = "/api/laml/2010-04-01/Accounts/" + fakeProject
	return providerfake.API{
		Keys: normalizer.Keys{"PROJECT_ID": {fakeProject}, "API_TOKEN": {"PT_made-up"}},
		Admits: func(h http.Header) bool {
			user, password, ok := (&http.Request{Header: h}).BasicAuth()
			return ok && user == fakeProject && password == "PT_made-up"
		},
		Refuse: func(_ int, words string) any { return providerfake.Object{"error": words} },
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /api/voice/logs/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "log")
			},
			"GET /api/voice/logs/{id}/events": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "events")
			},
			"GET /api/voice/logs": fakeLogs,
			"GET " + accounts + "/Calls/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "call")
			},
			"GET " + accounts + "/Calls": fakeCalls,
		},
		NewCall: makeCall,
	}
}

// fakeToken is what a page behind the first must be asked for with.
func fakeToken(page int) string { return fmt.Sprintf("PA%04d", page) }

func fakeLogs(s *providerfake.Server, r *http.Request) providerfake.Reply {
	number, size := providerfake.Whole(r, "page_number", 0, 1e6), max(providerfake.Whole(r, "page_size", 50, 1000), 1)
	if number > 0 && r.URL.Query().Get("page_token") != fakeToken(number) {
		return providerfake.Reply{Status: http.StatusUnprocessableEntity, Body: providerfake.Object{"errors": []providerfake.Object{{
			"type": "validation_error", "code": "invalid_parameter", "message": "page_token is missing", "attribute": "page_token",
		}}}}
	}
	calls := s.Between(providerfake.Instant(r, "created_after", time.DateOnly), providerfake.Instant(r, "created_before", time.DateOnly))
	records := fakeRecords(calls, number*size, size, "log")
	address := func(page int) string {
		q := r.URL.Query()
		q.Set("page_number", strconv.Itoa(page))
		if q.Del("page_token"); page > 0 {
			q.Set("page_token", fakeToken(page))
		}
		return "http://" + r.Host + r.URL.Path + "?" + q.Encode()
	}
	links := providerfake.Object{"self": address(number), "first": address(0)}
	if (number+1)*size < len(calls) {
		links["next"] = address(number + 1)
	}
	return providerfake.Reply{Body: providerfake.Object{"links": links, "data": records}}
}

func fakeCalls(s *providerfake.Server, r *http.Request) providerfake.Reply {
	page, size := providerfake.Whole(r, "Page", 0, 1e6), max(providerfake.Whole(r, "PageSize", 50, 1000), 1)
	if page > 0 && r.URL.Query().Get("PageToken") != fakeToken(page) {
		return providerfake.Reply{Status: http.StatusBadRequest, Body: providerfake.Object{"code": 20001, "message": "PageToken is missing", "status": 400}}
	}
	calls := s.Between(providerfake.Instant(r, "StartTime>", http.TimeFormat), providerfake.Instant(r, "StartTime<", http.TimeFormat))
	var next any
	if (page+1)*size < len(calls) {
		q := url.Values{}
		for name, values := range r.URL.Query() {
			q[name] = values
		}
		q.Set("Page", strconv.Itoa(page+1))
		q.Set("PageToken", fakeToken(page+1))
		next = r.URL.Path + "?" + q.Encode()
	}
	return providerfake.Reply{Body: providerfake.Object{
		"uri": r.URL.Path, "next_page_uri": next, "page": page, "page_size": size,
		"calls": fakeRecords(calls, page*size, size, "call"),
	}}
}

func fakeRecords(calls []*providerfake.Call, from, size int, part string) []any {
	records := []any{}
	for _, c := range calls[min(from, len(calls)):min(from+size, len(calls))] {
		records = append(records, c.More[part])
	}
	return records
}

// makeCall ends with a form or with a call state, by turns.
func makeCall(m *providerfake.Maker) providerfake.Call {
	id, segment := m.Uuid(), m.Uuid()
	from, to := m.Number(), m.Number()
	mos, rtt := float64(m.Score(250, 450))/100, m.Flaw(20, 400)
	duration := int(m.TalkSec())
	quality := func(o providerfake.Object) providerfake.Object {
		o["audio_in_mos"], o["audio_rtt_avg"], o["audio_rtt_max"] = fmt.Sprintf("%.2f", mos), rtt, 2*rtt
		o["audio_out_jitter_avg"], o["audio_out_lost"] = 5, m.IntN(10)
		return o
	}
	c := providerfake.Call{ID: id, Figures: map[string]float64{"mos": mos, "rttMs": float64(rtt)}, More: map[string]any{}}
	c.More["call"] = quality(providerfake.Object{
		"sid": id, "account_sid": fakeProject, "date_created": m.Started.Format(time.RFC1123Z), "date_updated": m.Ended.Format(time.RFC1123Z),
		"start_time": m.Answered.Format(time.RFC1123Z), "end_time": m.Ended.Format(time.RFC1123Z), "from": from, "to": to, "status": "completed",
		"duration": duration, "price": 0.01, "price_unit": "USD", "direction": "outbound", "sip_result_code": "200",
	})
	logID, kind := segment, "relay_pstn_call"
	if m.Index%2 == 0 {
		logID, kind = id, "laml_call"
		c.Webhook = providerfake.Webhook{ContentType: "application/x-www-form-urlencoded", Body: []byte(url.Values{
			"CallSid": {id}, "AccountSid": {fakeProject}, "ApiVersion": {"2010-04-01"}, "CallStatus": {"completed"},
			"Direction": {"outbound-api"}, "From": {from}, "To": {to}, "Timestamp": {m.Ended.Format(time.RFC1123Z)},
			"CallbackSource": {"call-progress-events"}, "CallDuration": {strconv.Itoa(duration)},
		}.Encode())}
	} else {
		c.Also = []string{segment}
		c.Webhook = providerfake.Webhook{ContentType: "application/json", Body: makeState(m, id, segment, from, to)}
	}
	log := providerfake.Object{
		"id": logID, "type": kind, "from": from, "to": to, "source": "realtime_api", "status": "completed", "direction": "outbound",
		"duration": duration, "duration_ms": m.Ended.Sub(m.Answered).Milliseconds(), "charge": 0.01, "created_at": providerfake.Stamp(m.Started), "url": nil,
	}
	if kind == "laml_call" {
		log["source"] = "laml" // its figures are those of the Compatibility call
	} else {
		log = quality(log)
	}
	c.More["log"] = log
	c.More["events"] = providerfake.Object{"data": []providerfake.Object{
		{"event_at": providerfake.Stamp(m.Started), "level": "info", "name": "calling_call_initiated", "details": providerfake.Object{}, "project_id": fakeProject, "log_id": logID},
		{"event_at": providerfake.Stamp(m.Ended), "level": "info", "name": "calling_call_ended", "details": providerfake.Object{}, "project_id": fakeProject, "log_id": logID},
	}}
	return c
}

func makeState(m *providerfake.Maker, id, segment, from, to string) []byte {
	body, err := json.Marshal(providerfake.Object{
		"event_type": "calling.call.state", "timestamp": float64(m.Ended.UnixMilli()) / 1000, "project_id": fakeProject,
		"params": providerfake.Object{
			"call_id": id, "segment_id": segment, "call_state": "ended", "direction": "outbound", "end_reason": "hangup",
			"device":     providerfake.Object{"type": "phone", "params": providerfake.Object{"from_number": from, "to_number": to}},
			"start_time": m.Started.UnixMilli(), "answer_time": m.Answered.UnixMilli(), "end_time": m.Ended.UnixMilli(),
		},
	})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	return body
}
