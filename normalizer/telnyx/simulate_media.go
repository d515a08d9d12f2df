package telnyx

import (
	"math"
	"time"

	"callwatch/normalizer/simulate"
)

// collector counts the media of one call as an SDK does: its counters run since
// the stream began.
type collector struct {
	*simulate.Call
	simulatedSDK
	begun, until time.Time
	holds        []span // on hold: nothing is received, and nothing is lost
	silences     []span // packets come, without sound
	deaf         []span // nothing is received, and it is a fault
	losses       []span // a third of the packets is lost
	restarts     []time.Time

	received, lost, sent int64
	concealed, samples   int64
	remoteLost           int64
	heard                bool // a packet was received since the stream began
}

type span struct{ from, to time.Time }

// overlap is how much of a time lies within spans.
func overlap(spans []span, from, to time.Time) (sum time.Duration) {
	for _, s := range spans {
		lo, hi := from, to
		if s.from.After(lo) {
			lo = s.from
		}
		if s.to.Before(hi) {
			hi = s.to
		}
		sum += max(0, hi.Sub(lo))
	}
	return sum
}

func (c *collector) heldAt(t time.Time) bool { return overlap(c.holds, t, t.Add(1)) > 0 }

// measured is one entry of stats.
type measured struct {
	start, end time.Time
	entry      simulate.Object
}

// collect is what the SDK measures over the whole call.
func (c *collector) collect() (stats []measured) {
	if c.begun.IsZero() {
		return nil // a collector that runs from the answer on, of a call that nobody answered
	}
	restarts := c.restarts
	for start := c.begun; start.Before(c.until); {
		end := start.Add(c.interval)
		if start.Sub(c.begun) >= 10*time.Second {
			end = start.Add(c.later)
		}
		if len(restarts) > 0 && !start.Before(restarts[0]) {
			c.received, c.lost, c.sent, c.concealed, c.samples, c.remoteLost, c.heard = 0, 0, 0, 0, 0, 0, false
			restarts = restarts[1:]
		}
		if end.After(c.until) {
			if !c.rest {
				break
			}
			end = c.until
		}
		m := measured{start, end, simulate.Object{"intervalStartUtc": c.time(start), "intervalEndUtc": c.time(end), "audio": simulate.Object{}}}
		if end.Before(c.until) || !c.emptyRest {
			c.measure(start, end, m.entry)
		}
		stats = append(stats, m)
		start = end
	}
	return stats
}

// measure adds one interval to the counters and writes it as the SDK does.
func (c *collector) measure(start, end time.Time, entry simulate.Object) {
	talk := overlap([]span{{c.Answered, c.until}}, start, end)
	if c.Answered.IsZero() {
		talk = 0
	}
	middle := start.Add(end.Sub(start) / 2).Sub(c.Answered)
	lossPct := c.Path.LossAt(min(1, max(0, float64(middle)/float64(c.TalkTime()+1))))
	if overlap(c.losses, start, end) > 0 {
		lossPct = 33
	}
	c.sent += int64(math.Round(talk.Seconds() * simulate.PacketRate))
	heard := talk - overlap(c.holds, start, end) - overlap(c.deaf, start, end)
	if c.Fault == simulate.OneWay {
		heard = 0
	}
	expected := int64(math.Round(max(0, heard).Seconds() * simulate.PacketRate))
	lost := min(expected, int64(float64(expected)*lossPct/100+c.Float64()))
	c.received += expected - lost
	c.lost += lost
	c.heard = c.heard || expected > lost
	c.remoteLost += lost / 4
	played := int64(talk.Seconds() * 48000)
	c.samples += played
	c.concealed += max(0, played-(expected-lost)*960)

	outbound := simulate.Object{
		"packetsSent": c.sent, "bytesSent": c.sent * 82, "audioLevelAvg": simulate.Round(c.Between(0.03, 0.09), 4), "bitrateAvg": 32000.5,
		"headerBytesSent": c.sent * 28, "active": true, "codec": c.codecInfo(),
	}
	audio := simulate.Object{"outbound": outbound}
	switch in := c.inboundAudio(start, end); {
	case c.heard:
		audio["inbound"] = in
	case c.nulls:
		audio["inbound"] = nil
	case c.zeros:
		for _, figure := range []string{"audioLevelAvg", "jitterAvg", "bitrateAvg"} {
			in[figure] = 0.0
		}
		audio["inbound"] = in
	}
	if c.sent == 0 && !c.zeros {
		delete(audio, "outbound")
	}
	entry["audio"] = audio
	entry["connection"] = c.connection(start)
	entry["ice"] = simulate.Object{
		"id": "CP1", "state": "succeeded", "nominated": true, "writable": true, "requestsSent": 4, "responsesReceived": 4,
		"local":  simulate.Object{"id": "L1", "address": "203.0.113.10", "port": 50000, "candidateType": "srflx", "protocol": "udp", "networkType": "wifi"},
		"remote": simulate.Object{"id": "R1", "address": "198.51.100.41", "port": 20000, "candidateType": "host", "protocol": "udp"},
	}
	entry["transport"] = simulate.Object{
		"iceState": "connected", "dtlsState": "connected", "srtpCipher": "AES_CM_128_HMAC_SHA1_80",
		"tlsVersion": "FEFD", "selectedCandidatePairChanges": 1,
	}
	if c.sent > 0 && !start.Equal(c.begun) && !c.zeros { // Android has none
		entry["remoteRtcp"] = simulate.Object{"inbound": simulate.Object{
			"packetsLost": c.remoteLost, "fractionLost": simulate.Round(lossPct/400, 4), "roundTripTimeAvg": c.rtt(),
			"jitter": simulate.Round(c.Path.JitterMs*c.remoteJitterPerMs, 6),
		}}
	}
}

func (c *collector) inboundAudio(start, end time.Time) simulate.Object {
	level := simulate.Round(c.Between(0.05, 0.15), 4)
	if overlap(c.silences, start, end) == end.Sub(start) {
		level = 0.0002
	}
	in := simulate.Object{
		"packetsReceived": c.received, "bytesReceived": c.received * 80, "packetsLost": c.lost, "packetsDiscarded": 0,
		"jitterBufferDelay": simulate.Round(float64(c.samples)*0.045, 3), "jitterBufferEmittedCount": c.samples,
		"totalSamplesReceived": c.samples, "concealedSamples": c.concealed, "concealmentEvents": c.lost,
		"audioLevelAvg": level, "jitterAvg": c.jitter(), "bitrateAvg": 32000.5,
	}
	if !c.nulls && !c.zeros {
		in["codec"] = c.codecInfo()
	}
	return in
}

// unknown writes what the SDK writes where it has no value.
func (c *collector) unknown(group simulate.Object, member string) {
	switch {
	case c.nulls:
		group[member] = nil
	case c.zeros:
		group[member] = 0.0
	default:
		delete(group, member)
	}
}

func (c *collector) connection(start time.Time) simulate.Object {
	g := simulate.Object{
		"roundTripTimeAvg": c.rtt(), "packetsSent": c.sent + 8, "packetsReceived": c.received + 8,
		"bytesSent": c.sent * 110, "bytesReceived": c.received * 108,
	}
	if start.Equal(c.begun) { // no report of the far end yet
		c.unknown(g, "roundTripTimeAvg")
	}
	return g
}

func (c *collector) codecInfo() simulate.Object {
	return simulate.Object{
		"mimeType": "audio/opus", "clockRate": 48000, "channels": 2, "payloadType": 111,
		"sdpFmtpLine": "minptime=10;useinbandfec=1", "codecId": "C111",
	}
}

// jitter is in milliseconds and rtt in seconds, as in the SDKs.
func (c *collector) jitter() float64 { return simulate.Round(c.Path.JitterMs*c.Between(0.85, 1.15), 2) }

func (c *collector) rtt() float64 { return simulate.Round(c.Path.RTTMs*c.Between(0.9, 1.1)/1000, 4) }
