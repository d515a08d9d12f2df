package bird

import (
	"encoding/json"
	"net/http"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
)

const fakeWorkspace = "0b0e5ac0-5f3c-4e1f-9a83-4e0c6b3d5d11"

// FakeAPIs are stand-ins for the REST API.
func FakeAPIs() []providerfake.API { return []providerfake.API{fakeAPI(), fakePlatformAPI()} }

func fakeAPI() providerfake.API {
	const workspace = "/workspaces/" + fakeWorkspace + "/channels"
	return providerfake.API{
		Keys:   normalizer.Keys{"ACCESS_KEY": {"fake-access-key"}, "WORKSPACE_ID": {fakeWorkspace}},
		Admits: func(h http.Header) bool { return h.Get("Authorization") == "AccessKey fake-access-key" },
		Refuse: func(_ int, words string) any { return providerfake.Object{"code": "Error", "message": words} },
		Routes: map[string]func(*providerfake.Server, *http.Request) providerfake.Reply{
			"GET " + workspace + "/{channel}/calls/{id}/insights": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "")
			},
			"GET " + workspace + "/{channel}/calls/{id}": func(s *providerfake.Server, r *http.Request) providerfake.Reply {
				return s.One(r.PathValue("id"), "call")
			},
			"GET " + workspace + "/calls": fakeList,
		},
		NewCall: makeCall,
	}
}

func fakeList(s *providerfake.Server, r *http.Request) providerfake.Reply {
	calls := s.Between(providerfake.Instant(r, "startAt", time.RFC3339), providerfake.Instant(r, "endAt", time.RFC3339))
	if id := r.URL.Query().Get("id"); id != "" {
		c, ready := s.Find(id)
		if calls = nil; c != nil && ready {
			calls = []*providerfake.Call{c}
		}
	}
	from, size := providerfake.After(calls, r.URL.Query().Get("pageToken")), max(providerfake.Whole(r, "limit", 10, 1000), 1)
	records, more := providerfake.Slice(calls, from, size)
	body := providerfake.Object{"results": records}
	if more {
		body["nextPageToken"] = calls[from+size-1].ID
	}
	return providerfake.Reply{Body: body}
}

// makeCall has figures in its insights alone. Of every other call the insights
// are there at once, but for the figures.
func makeCall(m *providerfake.Maker) providerfake.Call {
	id, channel := m.Uuid(), m.Uuid()
	base := func(more providerfake.Object) providerfake.Object {
		o := providerfake.Object{
			"id": id, "channelId": channel, "from": "+14155550100", "to": m.Number(), "direction": "outgoing", "status": "completed",
			"type": "pstn", "duration": int(m.TalkSec()), "hangupCauseCode": 16, "hangupSource": "caller", "hangupSipCode": "200",
			"createdAt": providerfake.Stamp(m.Started), "updatedAt": providerfake.Stamp(m.Ended), "ringingAt": providerfake.Stamp(m.Started.Add(time.Second)),
			"answeredAt": providerfake.Stamp(m.Answered), "endedAt": providerfake.Stamp(m.Ended),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	mos := float64(m.Score(250, 449)) / 100
	packets := int(m.TalkSec() * 50)
	c := providerfake.Call{
		ID: id, Figures: map[string]float64{"mos": mos, "packetsReceived": float64(packets)},
		Report: base(providerfake.Object{
			"signallingMetrics": providerfake.Object{"pdd": m.Between(400, 2000), "edgeRegion": "eu-west-1"},
			"mediaMetrics": providerfake.Object{
				"mos": mos, "qualityScore": m.Between(60, 99), "inBytes": 160 * packets, "outBytes": 160 * packets,
				"inPacketCount": packets, "outPacketCount": packets, "inMediaPacketCount": packets, "outMediaPacketCount": packets,
				"jitterMinVar": 0.5, "jitterMaxVar": 16, "jitterLossRate": 0.02, "jitterBurstRate": 1.1, "meanInterval": 20, "flawTotal": 40,
				"readCodecName": "PCMU", "readCodecRate": "8000",
			},
		}),
		More: map[string]any{"call": base(providerfake.Object{"reason": "completed", "callFlow": []any{}})},
	}
	c.Record = c.More["call"]
	if m.Index%2 == 1 {
		c.Early = base(nil)
	}
	body, err := json.Marshal(providerfake.Object{"service": "channels", "event": "voice.outbound", "payload": base(nil)})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = providerfake.Webhook{ContentType: "application/json", Body: body}
	return c
}
