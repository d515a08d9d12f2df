package normalizer

import (
	"errors"
	"maps"

	"callwatch/call"
)

// telnyxCallEvent maps a record of /call_events and the wrapper of the Voice
// API: the webhook stands in metadata, bare or as its event or data member.
// Commands are no events.
func telnyxCallEvent(n node) ([]call.Event, error) {
	if n.at("type").text() == "command" {
		return nil, nil
	}
	meta := n.at("metadata")
	delivery := node{v: map[string]any{
		"attempt": meta.at("attempt").value(), "delivered_to": meta.at("delivered_to").value(), "status": meta.at("status").value(),
	}}
	event := meta.at("event").or(meta.at("data")).or(meta)
	if !event.isObject() {
		return nil, errors.New("call event without its webhook")
	}
	whole := map[string]any{"event_type": n.at("name").value(), "occurred_at": n.at("event_timestamp").value()}
	if event.at("event_type").text() == "" && !event.at("payload").isObject() {
		whole["payload"] = event.value() // the payload alone
	}
	maps.Copy(whole, event.object())
	payload := map[string]any{"call_leg_id": n.at("call_leg_id").value(), "call_session_id": n.at("call_session_id").value()}
	maps.Copy(payload, node{v: whole["payload"]}.object())
	whole["payload"] = payload
	return telnyxWebhook(node{v: whole}, delivery)
}

// telnyxDetail maps a detail record, which has times and cost and no quality.
// Its telnyx_leg_id is the call_leg_id of the webhooks.
func telnyxDetail(n node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           recordID(n),
		Kind:         call.Report,
		CallID:       n.at("telnyx_leg_id").or(n.at("call_leg_id")).or(n.at("call_id")).or(n.at("id")).text(),
		SessionID:    n.at("telnyx_session_id").or(n.at("call_session_id")).text(),
		ConnectionID: n.at("connection_id").text(),
		Tags:         n.at("tags").texts(),
	}}
	if e.CallID == "" {
		return nil, errors.New("detail record names no call")
	}
	switch n.at("record_type").text() {
	case "webrtc", "webrtc_detail_record":
		e.Transport = call.WebRTC
	}
	e.Direction = telnyxDirection(n.at("direction").text())
	e.From, e.To = n.at("cli").text(), n.at("cld").text()
	e.StartedAt = n.at("started_at").time()
	e.AnsweredAt = n.at("answered_at").time()
	e.EndedAt = n.at("finished_at").time()
	e.DurationSec = n.at("call_sec").number()
	if e.Cost = n.at("cost").number(); e.Cost != nil {
		e.CostCurrency = n.at("currency").text()
	}
	e.Raw = rawOf(n, nil, nil)
	return []call.Event{e}, nil
}
