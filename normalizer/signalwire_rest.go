package normalizer

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
)

// signalwireREST maps a record or a page of voice logs, Compatibility calls or
// events of a voice log.
func signalwireREST(n node) ([]call.Event, error) {
	if n.isList() {
		return eachRecord(n.list(), signalwireRecord)
	}
	for _, member := range []string{"data", "calls"} {
		page := n.at(member)
		if !page.isList() {
			continue
		}
		if records := page.list(); len(records) > 0 && records[0].at("event_at").text() != "" {
			return signalwireLogEvents(records)
		}
		return eachRecord(page.list(), signalwireRecord)
	}
	return signalwireRecord(n)
}

func signalwireRecord(n node) ([]call.Event, error) {
	switch {
	case n.at("sid").text() != "":
		return signalwireCompatCall(n)
	case n.at("id").text() != "" && (n.at("created_at").text() != "" || n.at("discarded_at").text() != "" || n.at("type").text() != ""):
		return signalwireVoiceLog(n)
	}
	if err := refusal(n); err != nil {
		return nil, err
	}
	if n.at("code").text() != "" && n.at("message").text() != "" {
		return nil, refusal(node{v: map[string]any{"error": n.value()}})
	}
	return nil, errors.New("neither a status callback, a call state nor a REST record of SignalWire")
}

// signalwireVoiceLog maps a voice log of any variant; deleted ones have an id
// and times only. Quality members are newer than the published specification
// and stand in the log or in its qos_metrics. Raw is the whole record.
func signalwireVoiceLog(n node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           recordID(n),
		Kind:         call.Report,
		CallID:       n.at("id").text(),
		ParentCallID: n.at("parent_id").text(),
		Transport:    signalwireLogTransport(n.at("type").text()),
	}}
	e.Direction = signalwireDirection(n.at("direction").text())
	e.Status = signalwireStatus(foldWord(n.at("status").text()))
	e.From, e.To = n.at("from").text(), n.at("to").text()
	e.StartedAt = n.at("created_at").time()
	if e.DurationSec = n.at("duration_ms").scaled(0.001); e.DurationSec == nil {
		e.DurationSec = n.at("duration").number()
	}
	// A log is read long after its call: it happened when the call did.
	e.OccurredAt = e.StartedAt
	if d := e.DurationSec; d != nil && *d > 0 && *d < float64(7*24*3600) && !e.StartedAt.IsZero() {
		e.OccurredAt = e.StartedAt.Add(time.Duration(*d * float64(time.Second)))
	}
	if e.Cost = n.at("charge").number(); e.Cost != nil {
		e.CostCurrency = "USD"
	}
	signalwireRESTQuality(&e, n)
	e.Final = e.Status != "" && e.Status != call.InProgress
	e.Raw = rawOf(n, nil, nil)
	return []call.Event{e}, nil
}

func signalwireLogTransport(variant string) string {
	for _, t := range []string{call.PSTN, call.SIP, call.WebRTC} {
		if strings.Contains(variant, "_"+t+"_") {
			return t
		}
	}
	return ""
}

// signalwireRESTQuality takes the figures that records have under the same names
// at the top or in qos_metrics. A round-trip time of 0 was not measured.
func signalwireRESTQuality(e *call.Event, n node) {
	figure := func(name string) node { return n.at(name).or(n.at("qos_metrics", name)) }
	e.PacketsReceived = figure("audio_in_media_packet_count").count()
	e.PacketsSent = figure("audio_out_media_packet_count").count()
	e.PacketsSkipped = figure("audio_in_skip_packet_count").count()
	e.PacketsDiscarded = figure("audio_in_flush_packet_count").count()
	e.RemotePacketsLost = figure("audio_out_lost").count()
	e.RemoteJitterMs = figure("audio_out_jitter_avg").number()
	e.JitterMaxMs = root(figure("audio_in_jitter_max_variance").number())
	e.RTTMs = figure("audio_rtt_avg").positive()
	e.RTTMaxMs = figure("audio_rtt_max").positive()
	e.QualityScore = figure("audio_in_quality_percentage").number()
	acceptMOS(e, figure("audio_in_mos").number(), e.PacketsReceived)
}

// signalwireCompatCall maps a call of the Compatibility API. Raw is the whole
// record.
func signalwireCompatCall(n node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           recordID(n),
		Kind:         call.Report,
		CallID:       n.at("sid").text(),
		ParentCallID: n.at("parent_call_sid").text(),
		OccurredAt:   n.at("end_time").or(n.at("date_updated")).or(n.at("date_created")).time(),
	}}
	status := foldWord(n.at("status").text())
	e.Direction = signalwireDirection(n.at("direction").text())
	e.Status = signalwireStatus(status)
	e.From, e.To = n.at("from").text(), n.at("to").text()
	e.StartedAt = n.at("start_time").or(n.at("date_created")).time()
	e.EndedAt = n.at("end_time").time()
	e.DurationSec = n.at("duration").number()
	e.SIPCode = n.at("sip_result_code").count()
	if e.Cost = n.at("price").number(); e.Cost != nil {
		e.CostCurrency = strings.ToUpper(n.at("price_unit").text())
	}
	signalwireRESTQuality(&e, n)
	e.Final = e.Status != "" && e.Status != call.InProgress
	e.Raw = rawOf(n, nil, nil)
	return []call.Event{e}, nil
}

// signalwireLogEvents maps the events of voice logs: one report per log, with
// the number of errors. Raw has them as events, without their log_id.
func signalwireLogEvents(records []node) ([]call.Event, error) {
	if len(records) > maxRecords {
		records = records[:maxRecords]
	}
	byLog := map[string]int{}
	var events []call.Event
	for _, n := range records {
		id := n.at("log_id").text()
		if id == "" {
			continue
		}
		i, known := byLog[id]
		if !known {
			i = len(events)
			byLog[id] = i
			events = append(events, call.Event{
				Identity: call.Identity{Kind: call.Report, CallID: id},
				Facts:    call.Facts{ErrorCount: new(int64(0))},
				Raw:      map[string]any{"project_id": n.at("project_id").value(), "events": []any{}},
			})
		}
		e := &events[i]
		if at := n.at("event_at").time(); at.After(e.OccurredAt) {
			e.OccurredAt = at
		}
		if n.at("level").text() == "error" {
			*e.ErrorCount++
		}
		e.Raw["events"] = append(e.Raw["events"].([]any), rawOf(n, []string{"log_id", "project_id"}, nil))
	}
	for i := range events {
		events[i].ID = recordID(node{v: events[i].Raw})
	}
	return events, nil
}
