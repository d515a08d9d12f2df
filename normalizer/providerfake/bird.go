package providerfake

import (
	"encoding/json"
	"net/http"
	"time"

	"callwatch/normalizer"
)

const birdWorkspace = "0b0e5ac0-5f3c-4e1f-9a83-4e0c6b3d5d11"

func bird() api {
	const workspace = "/workspaces/" + birdWorkspace + "/channels"
	return api{
		keys:   normalizer.Keys{"ACCESS_KEY": {"made-up-access-key"}, "WORKSPACE_ID": {birdWorkspace}},
		letIn:  func(h http.Header) bool { return h.Get("Authorization") == "AccessKey made-up-access-key" },
		refuse: func(_ int, words string) any { return object{"code": "Error", "message": words} },
		routes: map[string]func(*Server, *http.Request) reply{
			"GET " + workspace + "/{channel}/calls/{id}/insights": func(s *Server, r *http.Request) reply {
				return s.one(r.PathValue("id"), "")
			},
			"GET " + workspace + "/{channel}/calls/{id}": func(s *Server, r *http.Request) reply { return s.one(r.PathValue("id"), "call") },
			"GET " + workspace + "/calls":                birdList,
		},
		make: birdCall,
	}
}

func birdList(s *Server, r *http.Request) reply {
	calls := s.between(instant(r, "startAt", time.RFC3339), instant(r, "endAt", time.RFC3339))
	if id := r.URL.Query().Get("id"); id != "" {
		c, ready := s.find(id)
		if calls = nil; c != nil && ready {
			calls = []*Call{c}
		}
	}
	from, size := after(calls, r.URL.Query().Get("pageToken")), max(whole(r, "limit", 10, 1000), 1)
	records, more := slice(calls, from, size)
	body := object{"results": records}
	if more {
		body["nextPageToken"] = calls[from+size-1].ID
	}
	return reply{body: body}
}

// birdCall has figures in its insights alone. Of every other call the insights
// are there at once, but for the figures.
func birdCall(m *maker) Call {
	id, channel := m.uuid(), m.uuid()
	base := func(more object) object {
		o := object{
			"id": id, "channelId": channel, "from": "+14155550100", "to": m.number(), "direction": "outgoing", "status": "completed",
			"type": "pstn", "duration": int(m.talkSec()), "hangupCauseCode": 16, "hangupSource": "caller", "hangupSipCode": "200",
			"createdAt": stamp(m.started), "updatedAt": stamp(m.ended), "ringingAt": stamp(m.started.Add(time.Second)),
			"answeredAt": stamp(m.answered), "endedAt": stamp(m.ended),
		}
		for name, v := range more {
			o[name] = v
		}
		return o
	}
	mos := float64(m.between(250, 449)) / 100
	packets := int(m.talkSec() * 50)
	c := Call{
		ID: id, Figures: map[string]float64{"mos": mos, "packetsReceived": float64(packets)},
		Report: base(object{
			"signallingMetrics": object{"pdd": m.between(400, 2000), "edgeRegion": "eu-west-1"},
			"mediaMetrics": object{
				"mos": mos, "qualityScore": m.between(60, 99), "inBytes": 160 * packets, "outBytes": 160 * packets,
				"inPacketCount": packets, "outPacketCount": packets, "inMediaPacketCount": packets, "outMediaPacketCount": packets,
				"jitterMinVar": 0.5, "jitterMaxVar": 16, "jitterLossRate": 0.02, "jitterBurstRate": 1.1, "meanInterval": 20, "flawTotal": 40,
				"readCodecName": "PCMU", "readCodecRate": "8000",
			},
		}),
		More: map[string]any{"call": base(object{"reason": "completed", "callFlow": []any{}})},
	}
	c.Record = c.More["call"]
	if m.index%2 == 1 {
		c.Early = base(nil)
	}
	body, err := json.Marshal(object{"service": "channels", "event": "voice.outbound", "payload": base(nil)})
	if err != nil {
		panic(err) // a map of texts and numbers can always be written
	}
	c.Webhook = Webhook{"application/json", body}
	return c
}
