package signalwire

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// fetched maps a record or a page of voice logs, Compatibility calls or
// events of a voice log.
func fetched(n lenient.Node) ([]call.Event, error) {
	if n.IsList() {
		return normalizer.EachRecord(n.List(), record)
	}
	for _, member := range []string{"data", "calls"} {
		page := n.At(member)
		if !page.IsList() {
			continue
		}
		if records := page.List(); len(records) > 0 && records[0].At("event_at").Text() != "" {
			return logEvents(records)
		}
		return normalizer.EachRecord(page.List(), record)
	}
	return record(n)
}

func record(n lenient.Node) ([]call.Event, error) {
	switch {
	case n.At("sid").Text() != "":
		return compatCall(n)
	case n.At("id").Text() != "" && (n.At("created_at").Text() != "" || n.At("discarded_at").Text() != "" || n.At("type").Text() != ""):
		return voiceLog(n)
	}
	if err := normalizer.ErrorAnswer(n); err != nil {
		return nil, err
	}
	if n.At("code").Text() != "" && n.At("message").Text() != "" {
		return nil, normalizer.ErrorAnswer(lenient.Of(map[string]any{"error": n.Value()}))
	}
	return nil, errors.New("neither a status callback, a call state nor a REST record of SignalWire")
}

// voiceLog maps a voice log of any variant; deleted ones have an id
// and times only. Quality members are newer than the published specification
// and are in the log or in its qos_metrics. Raw is the whole record.
func voiceLog(n lenient.Node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           normalizer.RecordID(n),
		Kind:         call.Report,
		CallID:       n.At("id").Text(),
		ParentCallID: n.At("parent_id").Text(),
		Transport:    logTransport(n.At("type").Text()),
	}}
	e.Direction = direction(n.At("direction").Text())
	e.Status = signalwireStatus(lenient.FoldWord(n.At("status").Text()))
	e.From, e.To = n.At("from").Text(), n.At("to").Text()
	e.StartedAt = n.At("created_at").Time()
	if e.DurationSec = n.At("duration_ms").Scaled(0.001); e.DurationSec == nil {
		e.DurationSec = n.At("duration").Number()
	}
	// A log is read long after its call: it happened when the call did.
	e.OccurredAt = e.StartedAt
	if d := e.DurationSec; d != nil && *d > 0 && *d < float64(7*24*3600) && !e.StartedAt.IsZero() {
		e.OccurredAt = e.StartedAt.Add(time.Duration(*d * float64(time.Second)))
	}
	if e.Cost = n.At("charge").Number(); e.Cost != nil {
		e.CostCurrency = "USD"
	}
	recordQuality(&e, n)
	e.Final = e.Status != "" && e.Status != call.InProgress
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}, nil
}

func logTransport(variant string) string {
	for _, t := range []string{call.PSTN, call.SIP, call.WebRTC} {
		if strings.Contains(variant, "_"+t+"_") {
			return t
		}
	}
	return ""
}

// recordQuality takes the figures that records have under the same names
// at the top or in qos_metrics. A round-trip time of 0 was not measured.
func recordQuality(e *call.Event, n lenient.Node) {
	figure := func(name string) lenient.Node { return n.At(name).Or(n.At("qos_metrics", name)) }
	e.PacketsReceived = figure("audio_in_media_packet_count").Count()
	e.PacketsSent = figure("audio_out_media_packet_count").Count()
	e.PacketsSkipped = figure("audio_in_skip_packet_count").Count()
	e.PacketsDiscarded = figure("audio_in_flush_packet_count").Count()
	e.RemotePacketsLost = figure("audio_out_lost").Count()
	e.RemoteJitterMs = figure("audio_out_jitter_avg").Number()
	e.JitterMaxMs = normalizer.StandardDeviation(figure("audio_in_jitter_max_variance").Number())
	e.RTTMs = figure("audio_rtt_avg").Positive()
	e.RTTMaxMs = figure("audio_rtt_max").Positive()
	e.QualityScore = figure("audio_in_quality_percentage").Number()
	normalizer.AcceptMOS(e, figure("audio_in_mos").Number(), e.PacketsReceived)
}

// compatCall maps a call of the Compatibility API. Raw is the whole
// record.
func compatCall(n lenient.Node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           normalizer.RecordID(n),
		Kind:         call.Report,
		CallID:       n.At("sid").Text(),
		ParentCallID: n.At("parent_call_sid").Text(),
		OccurredAt:   n.At("end_time").Or(n.At("date_updated")).Or(n.At("date_created")).Time(),
	}}
	status := lenient.FoldWord(n.At("status").Text())
	e.Direction = direction(n.At("direction").Text())
	e.Status = signalwireStatus(status)
	e.From, e.To = n.At("from").Text(), n.At("to").Text()
	e.StartedAt = n.At("start_time").Or(n.At("date_created")).Time()
	e.EndedAt = n.At("end_time").Time()
	e.DurationSec = n.At("duration").Number()
	e.SIPCode = n.At("sip_result_code").Count()
	if e.Cost = n.At("price").Number(); e.Cost != nil {
		e.CostCurrency = strings.ToUpper(n.At("price_unit").Text())
	}
	recordQuality(&e, n)
	e.Final = e.Status != "" && e.Status != call.InProgress
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}, nil
}

// logEvents maps the events of voice logs: one report per log, with
// the number of errors. Raw has them as events, without their log_id.
func logEvents(records []lenient.Node) ([]call.Event, error) {
	if len(records) > normalizer.MaxRecords {
		records = records[:normalizer.MaxRecords]
	}
	byLog := map[string]int{}
	var events []call.Event
	for _, n := range records {
		id := n.At("log_id").Text()
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
				Raw:      map[string]any{"project_id": n.At("project_id").Value(), "events": []any{}},
			})
		}
		e := &events[i]
		if at := n.At("event_at").Time(); at.After(e.OccurredAt) {
			e.OccurredAt = at
		}
		if n.At("level").Text() == "error" {
			*e.ErrorCount++
		}
		e.Raw["events"] = append(e.Raw["events"].([]any), normalizer.RawOf(n, []string{"log_id", "project_id"}, nil))
	}
	for i := range events {
		events[i].ID = normalizer.RecordID(lenient.Of(events[i].Raw))
	}
	return events, nil
}
