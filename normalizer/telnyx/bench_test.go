package telnyx

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	jsonv1 "github.com/go-json-experiment/json/v1"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

// largeReport is a WebRTC report of 39 KB: an interval every five seconds.
func largeReport() []byte {
	const stamp = "2006-01-02T15:04:05.000Z"
	begun := providertest.ReceivedAt().Add(-10 * time.Minute)
	var stats bytes.Buffer
	count := 0
	for ; stats.Len() < 38300; count++ {
		if count > 0 {
			stats.WriteByte(',')
		}
		from, k := begun.Add(time.Duration(count)*5*time.Second), count+1
		fmt.Fprintf(&stats, `{"intervalStartUtc":"%s","intervalEndUtc":"%s",`, from.Format(stamp), from.Add(5*time.Second).Format(stamp))
		fmt.Fprintf(&stats, `"audio":{"inbound":{"packetsReceived":%d,"bytesReceived":%d,"packetsLost":%d,"packetsDiscarded":0,`, 248*k, 39680*k, 2*k)
		fmt.Fprintf(&stats, `"jitterBufferDelay":%d.5,"jitterBufferEmittedCount":%d,"totalSamplesReceived":%d,"concealedSamples":%d,`, 238*k, 238080*k, 238080*k, 1920*k)
		fmt.Fprintf(&stats, `"audioLevelAvg":0.08,"jitterAvg":4.5,"codec":{"mimeType":"audio/opus","clockRate":48000,"channels":2}},`)
		fmt.Fprintf(&stats, `"outbound":{"packetsSent":%d,"bytesSent":%d,"audioLevelAvg":0.05}},`, 250*k, 40000*k)
		fmt.Fprintf(&stats, `"connection":{"packetsSent":%d,"packetsReceived":%d,"roundTripTimeAvg":0.041},`, 250*k, 248*k)
		stats.WriteString(`"ice":{"state":"succeeded","nominated":true,"local":{"candidateType":"host","address":"203.0.113.7"},` +
			`"remote":{"candidateType":"relay"}},"transport":{"iceState":"connected","dtlsState":"connected"}}`)
	}
	end := begun.Add(time.Duration(count) * 5 * time.Second)
	return fmt.Appendf(nil, `{"summary":{"callId":"000000000001","destinationNumber":"+442079460018","callerNumber":"+14155550123",`+
		`"direction":"outbound","state":"destroy","durationSeconds":%d,"startTimestamp":"%s","endTimestamp":"%s",`+
		`"telnyxSessionId":"session-1","telnyxLegId":"leg-1","sdkVersion":"2.27.10"},"stats":[%s],"logs":[]}`,
		5*count, begun.Format(stamp), end.Format(stamp), stats.Bytes())
}

// BenchmarkLargeReport is what one large report costs on its way: to an event, to
// the JSON of that, and back.
func BenchmarkLargeReport(b *testing.B) {
	body := &normalizer.Body{Source: normalizer.Pushed, ContentType: "application/json", Bytes: largeReport(), ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}
	normalize := func(b *testing.B) *call.Event {
		events, err := normalizer.Events(Provider(), body, normalizer.Options{})
		if err != nil || len(events) != 1 {
			b.Fatalf("%d events, %v", len(events), err)
		}
		return &events[0]
	}
	event := normalize(b)
	written, err := event.JSON()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("body %d bytes, event %d bytes, %d intervals", len(body.Bytes), len(written), len(event.Intervals))
	b.Run("normalize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			normalize(b)
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := event.JSON(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e call.Event
			if err := jsonv1.Unmarshal(written, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var c call.Call
			c.Fold(event, call.PreferProvider)
		}
	})
}
