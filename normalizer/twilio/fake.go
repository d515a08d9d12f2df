package twilio

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

const (
	fakeAccount = "AC00000000000000000000000000000000"
	fakeToken   = "simulated-auth-token"
)

// FakeAPIs are stand-ins for the REST API of Voice Insights.
func FakeAPIs() []providerfake.API {
	return []providerfake.API{{
		Prefix: "/v1",
		Keys:   normalizer.Keys{accountSID: {fakeAccount}, authToken: {fakeToken}},
		Admits: func(h http.Header) bool {
			user, password, ok := (&http.Request{Header: h}).BasicAuth()
			return ok && user == fakeAccount && password == fakeToken
		},
		Refuse: func(status int, words string) any {
			return providerfake.Object{"code": 20000 + status, "message": words, "status": status}
		},
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET /v1/Voice/{id}/Summary": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "")
			},
			"GET /v1/Voice/{id}/Metrics": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "metrics")
			},
			"GET /v1/Voice/Summaries": fakeSummaries,
		},
		NewCall: makeCall,
	}}
}

func fakeSummaries(s *providerfake.Server, r *http.Request) providerfake.Reply {
	page, size := providerfake.Whole(r, "Page", 0, 1e6), max(providerfake.Whole(r, "PageSize", 50, 1000), 1)
	if token := "PA" + strconv.Itoa(page); page > 0 && r.URL.Query().Get("PageToken") != token {
		return providerfake.Reply{Status: http.StatusBadRequest, Body: s.Refusal(http.StatusBadRequest, "PageToken is missing")}
	}
	calls := s.Between(providerfake.Instant(r, "StartTime", time.RFC3339), providerfake.Instant(r, "EndTime", time.RFC3339))
	records, more := providerfake.Slice(calls, page*size, size)
	var next any
	if more {
		q := url.Values{}
		for name, values := range r.URL.Query() {
			q[name] = values
		}
		q.Set("Page", strconv.Itoa(page+1))
		q.Set("PageToken", "PA"+strconv.Itoa(page+1))
		next = "http://" + r.Host + r.URL.Path + "?" + q.Encode()
	}
	return providerfake.Reply{Body: providerfake.Object{
		"meta":           providerfake.Object{"page": page, "page_size": size, "next_page_url": next, "key": "call_summaries"},
		"call_summaries": records,
	}}
}

// makeCall is a call of the telephone network or of the Voice SDK, by turns: what a MOS
// is given of, and what it is estimated of.
func makeCall(m *providerfake.Maker) providerfake.Call {
	id := "CA" + m.Hex(32)
	from, to := m.Number(), m.Number()
	received, lost := int64(m.TalkSec()*50), int64(m.Flaw(5, 200))
	jitter := float64(m.Flaw(1, 40))
	c := providerfake.Call{
		ID: id, Figures: map[string]float64{"packetsLost": float64(lost), "jitterMs": jitter}, More: map[string]any{},
		Webhook: providerfake.Webhook{ContentType: "application/x-www-form-urlencoded", Body: []byte(url.Values{
			"CallSid": {id}, "AccountSid": {fakeAccount}, "ApiVersion": {"2010-04-01"}, "CallStatus": {"completed"}, "Direction": {"outbound-api"},
			"From": {from}, "To": {to}, "Timestamp": {m.Ended.Format(time.RFC1123Z)}, "CallbackSource": {"call-progress-events"},
			"SequenceNumber": {"3"}, "CallDuration": {strconv.Itoa(int(m.TalkSec()))},
		}.Encode())},
	}
	in := providerfake.Object{
		"codec": 0, "codec_name": "pcmu", "packets_received": received, "packets_lost": lost,
		"packets_loss_percentage": 100 * float64(lost) / float64(received+lost), "jitter": providerfake.Object{"avg": jitter, "max": 2 * jitter},
	}
	out := providerfake.Object{"codec": 0, "codec_name": "pcmu", "packets_sent": received + lost, "packets_lost": 0}
	kind, edge, interval := "carrier", carrierEdge, providerfake.Object{"packets_received": 500, "packets_lost": 0, "packets_loss_percentage": 0}
	if m.Index%2 == 1 {
		kind, edge = "client", sdkEdge
		mos, rtt := float64(m.Score(250, 440))/100, m.Flaw(20, 400)
		in["mos"], in["rtt"] = providerfake.Object{"min": mos, "avg": mos, "max": mos}, providerfake.Object{"avg": rtt, "max": 2 * rtt}
		interval["mos"], interval["rtt"], interval["jitter"] = providerfake.Object{"value": mos}, providerfake.Object{"value": rtt}, providerfake.Object{"value": jitter}
		c.Figures["mos"], c.Figures["rttMs"] = mos, float64(rtt)
	}
	summary := func(state string, edges providerfake.Object) providerfake.Object {
		o := providerfake.Object{
			"call_sid": id, "account_sid": fakeAccount, "call_type": kind, "call_state": "completed", "processing_state": state,
			"created_time": m.Started.Format(time.RFC3339), "start_time": m.Started.Format(time.RFC3339), "end_time": m.Ended.Format(time.RFC3339),
			"duration": int(m.Ended.Sub(m.Started).Seconds()), "connect_duration": int(m.TalkSec()),
			"from": providerfake.Object{"caller": from}, "to": providerfake.Object{"callee": to}, "tags": []string{},
			"properties": providerfake.Object{"direction": "outbound_api", "pdd_ms": m.Between(200, 2000), "last_sip_response_num": 200, "disconnected_by": "callee"},
			carrierEdge:  nil, sipEdge: nil, clientEdge: nil, sdkEdge: nil,
		}
		for name, v := range edges {
			o[name] = v
		}
		return o
	}
	c.Report = summary("complete", providerfake.Object{edge: providerfake.Object{"metrics": providerfake.Object{"inbound": in, "outbound": out}}})
	c.Early = summary("partial", nil)
	var samples []providerfake.Object
	for at, n := m.Answered.Add(sampled), int64(1); at.Before(m.Ended); at, n = at.Add(sampled), n+1 {
		samples = append(samples, providerfake.Object{
			"timestamp": at.Format(time.RFC3339), "call_sid": id, "account_sid": fakeAccount, "edge": edge, "direction": "inbound",
			edge: providerfake.Object{"interval": interval, "cumulative": providerfake.Object{"packets_received": 500 * n, "packets_lost": 0, "jitter": providerfake.Object{"avg": jitter, "max": jitter}}},
		})
	}
	c.More["metrics"] = providerfake.Object{
		"meta": providerfake.Object{"page": 0, "page_size": 1000, "next_page_url": nil, "key": "metrics", "url": fmt.Sprintf("%s/Voice/%s/Metrics", base, id)}, "metrics": samples,
	}
	return c
}
