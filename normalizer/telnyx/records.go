package telnyx

import (
	"errors"
	"maps"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// callEvent maps a record of /call_events and the wrapper of the Voice
// API: the webhook is in metadata, bare or as its event or data member.
// Commands are no events.
func callEvent(n lenient.Node) ([]call.Event, error) {
	if n.At("type").Text() == "command" {
		return nil, nil
	}
	meta := n.At("metadata")
	delivery := lenient.Of(map[string]any{
		"attempt": meta.At("attempt").Value(), "delivered_to": meta.At("delivered_to").Value(), "status": meta.At("status").Value(),
	})
	event := meta.At("event").Or(meta.At("data")).Or(meta)
	if !event.IsObject() {
		return nil, errors.New("call event without its webhook")
	}
	whole := map[string]any{"event_type": n.At("name").Value(), "occurred_at": n.At("event_timestamp").Value()}
	if event.At("event_type").Text() == "" && !event.At("payload").IsObject() {
		whole["payload"] = event.Value() // the payload alone
	}
	maps.Copy(whole, event.Object())
	payload := map[string]any{"call_leg_id": n.At("call_leg_id").Value(), "call_session_id": n.At("call_session_id").Value()}
	maps.Copy(payload, lenient.Of(whole["payload"]).Object())
	whole["payload"] = payload
	return webhook(lenient.Of(whole), delivery)
}

// detail maps a detail record, which has times and cost and no quality.
// Its telnyx_leg_id is the call_leg_id of the webhooks.
func detail(n lenient.Node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           normalizer.RecordID(n),
		Kind:         call.Report,
		CallID:       n.At("telnyx_leg_id").Or(n.At("call_leg_id")).Or(n.At("call_id")).Or(n.At("id")).Text(),
		SessionID:    n.At("telnyx_session_id").Or(n.At("call_session_id")).Text(),
		ConnectionID: n.At("connection_id").Text(),
		Tags:         n.At("tags").Texts(),
	}}
	if e.CallID == "" {
		return nil, errors.New("detail record names no call")
	}
	switch n.At("record_type").Text() {
	case "webrtc", "webrtc_detail_record":
		e.Transport = call.WebRTC
	}
	e.Direction = direction(n.At("direction").Text())
	e.From, e.To = n.At("cli").Text(), n.At("cld").Text()
	e.StartedAt = n.At("started_at").Time()
	e.AnsweredAt = n.At("answered_at").Time()
	e.EndedAt = n.At("finished_at").Time()
	e.DurationSec = n.At("call_sec").Number()
	if e.Cost = n.At("cost").Number(); e.Cost != nil {
		e.CostCurrency = n.At("currency").Text()
	}
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}, nil
}
