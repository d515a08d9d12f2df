package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	small = 1400  // bytes of a webhook at the end of a call
	large = 39000 // bytes of a report with its intervals

	hmacSecret = "bench-signing-secret"
	urlToken   = "bench-token-0123456789"
	publicURL  = "https://bench.example"
)

// number is the place in a body where each request has its own: 12 digits.
const number = "000000000000"

func digits(n uint64) string { return fmt.Sprintf("%012d", n) }

// request writes a POST.
func request(buf []byte, path, contentType string, body []byte, headers ...string) []byte {
	buf = append(buf, "POST "...)
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: bench.example\r\nContent-Type: "...)
	buf = append(buf, contentType...)
	buf = append(buf, "\r\nContent-Length: "...)
	buf = strconv.AppendInt(buf, int64(len(body)), 10)
	for i := 0; i+1 < len(headers); i += 2 {
		buf = append(buf, "\r\n"...)
		buf = append(buf, headers[i]...)
		buf = append(buf, ": "...)
		buf = append(buf, headers[i+1]...)
	}
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, body...)
}

// padded fills a JSON body up to a size, at the word PAD.
func padded(body string, size int) string {
	return strings.Replace(body, "PAD", strings.Repeat("callwatch ", max(0, size-len(body))/10), 1)
}

// storedOnly are HMAC-signed JSON bodies of a kind that is acknowledged and
// ignored: taking them in is all the work they make.
func storedOnly(size int) maker {
	body := padded(`{"url":"https://bench.example","description":"PAD","event":"agent.call-note","metadata":{"eventType":"call-note","callId":"CALL-`+
		number+`"},"id":"690f`+number+`"}`, size)
	return func(buf []byte, n uint64) []byte {
		b := []byte(strings.ReplaceAll(body, number, digits(n)))
		mac := hmac.New(sha256.New, []byte(hmacSecret))
		mac.Write(b)
		return request(buf, "/webhooks/atoms", "application/json", b, "X-Signature", hex.EncodeToString(mac.Sum(nil)))
	}
}

// ignoredBody is an event that says nothing about a call: taking it in is all the work it makes.
func ignoredBody(size int, now time.Time) string {
	return padded(`{"data":{"record_type":"event","event_type":"call.playback.ended","id":"`+number+`","occurred_at":"`+now.UTC().Format(time.RFC3339)+
		`","payload":{"call_leg_id":"leg-`+number+`","call_session_id":"session-`+number+`","client_state":"PAD"}},"meta":{"attempt":1}}`, size)
}

// hangupBody is the end of a call, with quality.
func hangupBody(size int, now time.Time) string {
	return padded(`{"data":{"record_type":"event","event_type":"call.hangup","id":"`+number+`","occurred_at":"`+now.UTC().Format(time.RFC3339)+
		`","payload":{"call_leg_id":"leg-`+number+`","call_session_id":"session-`+number+`","connection_id":"1894400012345678901","client_state":"PAD",`+
		`"from":"+14155550123","to":"+442079460018","start_time":"`+now.Add(-2*time.Minute).UTC().Format(time.RFC3339)+`","end_time":"`+now.UTC().Format(time.RFC3339)+
		`","state":"hangup","hangup_cause":"normal_clearing","hangup_source":"callee","sip_hangup_cause":"200","calling_party_type":"pstn","call_quality_stats":`+
		`{"inbound":{"jitter_max_variance":"9.00","jitter_packet_count":"0","mos":"4.41","packet_count":"6175","skip_packet_count":"4"},`+
		`"outbound":{"packet_count":"6180","skip_packet_count":"0"}}}},"meta":{"attempt":1}}`, size)
}

// signed are Ed25519-signed webhooks with a number of their own each, signed beforehand:
// signing costs what checking does. Those behind count begin again.
func signed(key ed25519.PrivateKey, body string, count int, now time.Time) maker {
	stamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([][ed25519.SignatureSize]byte, count)
	var signing sync.WaitGroup
	for w := range runtime.NumCPU() {
		signing.Go(func() {
			message := []byte(stamp + "|" + body)
			for i := w; i < count; i += runtime.NumCPU() {
				setNumber(message, body, uint64(i), len(stamp)+1)
				copy(signatures[i][:], ed25519.Sign(key, message))
			}
		})
	}
	signing.Wait()
	return func(buf []byte, n uint64) []byte {
		n %= uint64(count)
		buf = request(buf, "/webhooks/telnyx", "application/json", []byte(body), "Telnyx-Timestamp", stamp,
			"Telnyx-Signature-Ed25519", base64.StdEncoding.EncodeToString(signatures[n][:]))
		setNumber(buf, body, n, len(buf)-len(body))
		return buf
	}
}

// setNumber writes a request's own number over those of the body at a place of b.
func setNumber(b []byte, body string, n uint64, at int) {
	own := digits(n)
	for from := 0; ; from += len(number) {
		i := strings.Index(body[from:], number)
		if i < 0 {
			return
		}
		from += i
		copy(b[at+from:], own)
	}
}

// callback is a form posted at the end of a call, with quality, and its fields as
// they are signed.
func callback(size int, mos, lost string, now time.Time) (body, signed string) {
	fields := map[string]string{
		"CallSid": "call-" + number, "AccountSid": "0b6b1c2d-0000-4000-8000-000000000001", "ApiVersion": "2010-04-01",
		"Direction": "outbound-api", "From": "+14155550123", "To": "+442079460018", "CallbackSource": "call-progress-events",
		"CallStatus": "completed", "Timestamp": now.UTC().Format(time.RFC1123Z), "CallDuration": "119", "SequenceNumber": "4",
		"SipResultCode": "200", "HangupDirection": "outbound", "HangupBy": "+14155550123", "AudioInMos": mos,
		"AudioInAveragePtime": "20.02", "AudioInMediaPacketCount": "5900", "AudioInDtmfPacketCount": "0",
		"AudioInSkipPacketCount": "12", "AudioInFlushPacketCount": "3", "AudioInLargestJbSize": "0",
		"AudioInJitterMinVariance": "0.25", "AudioInJitterMaxVariance": "12.25", "AudioOutMediaPacketCount": "5950",
		"AudioOutDtmfPacketCount": "0", "AudioOutLost": lost,
	}
	have := 0
	for k, v := range fields {
		have += len(k) + len(url.QueryEscape(v)) + 2
	}
	fields["RecordingUrl"] = "https://recordings.example/" + strings.Repeat("r", max(1, size-have-80))
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b, s strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(k + "=" + url.QueryEscape(fields[k]))
		s.WriteString(k + fields[k])
	}
	return b.String(), s.String()
}

// ended are HMAC-signed status callbacks at the end of a call, with quality; one
// of every in so many is of a bad call.
func ended(size int, bad uint64, now time.Time) maker {
	good, goodSorted := callback(size, "4.4", "2", now)
	poor, poorSorted := callback(size, "2.1", "900", now)
	return func(buf []byte, n uint64) []byte {
		body, sorted := good, goodSorted
		if bad > 0 && n%bad == 0 {
			body, sorted = poor, poorSorted
		}
		mac := hmac.New(sha1.New, []byte(hmacSecret))
		mac.Write([]byte(publicURL + "/webhooks/signalwire"))
		mac.Write([]byte(strings.ReplaceAll(sorted, number, digits(n))))
		return request(buf, "/webhooks/signalwire", "application/x-www-form-urlencoded", []byte(strings.ReplaceAll(body, number, digits(n))),
			"X-SignalWire-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
}

// report are WebRTC reports with an interval every five seconds, as a customer's
// application relays them: with a URL token instead of a signature.
func report(size int, now time.Time) maker {
	const interval = `{"intervalStartUtc":"%s","intervalEndUtc":"%s","audio":{"inbound":{"packetsReceived":%d,"bytesReceived":%d,"packetsLost":%d,` +
		`"packetsDiscarded":0,"jitterBufferDelay":%d.5,"jitterBufferEmittedCount":%d,"totalSamplesReceived":%d,"concealedSamples":%d,"audioLevelAvg":0.08,` +
		`"jitterAvg":4.5,"codec":{"mimeType":"audio/opus","clockRate":48000,"channels":2}},"outbound":{"packetsSent":%d,"bytesSent":%d,"audioLevelAvg":0.05}},` +
		`"connection":{"packetsSent":%d,"packetsReceived":%d,"roundTripTimeAvg":0.041},"ice":{"state":"succeeded","nominated":true,` +
		`"local":{"candidateType":"host","address":"203.0.113.7"},"remote":{"candidateType":"relay"}},` +
		`"transport":{"iceState":"connected","dtlsState":"connected"}}`
	const stamp = "2006-01-02T15:04:05.000Z"
	var stats bytes.Buffer
	begun := now.UTC().Add(-10 * time.Minute)
	count := 0
	for ; stats.Len() < size-700; count++ {
		if count > 0 {
			stats.WriteByte(',')
		}
		k := count + 1
		from := begun.Add(time.Duration(count) * 5 * time.Second)
		fmt.Fprintf(&stats, interval, from.Format(stamp), from.Add(5*time.Second).Format(stamp), 248*k, 39680*k, 2*k, 238*k, 238080*k, 238080*k, 1920*k, 250*k, 40000*k, 250*k, 248*k)
	}
	end := begun.Add(time.Duration(count) * 5 * time.Second)
	body := `{"summary":{"callId":"` + number + `","destinationNumber":"+442079460018","callerNumber":"+14155550123","direction":"outbound","state":"destroy",` +
		fmt.Sprintf(`"durationSeconds":%d,"startTimestamp":"%s","endTimestamp":"%s",`, 5*count, begun.Format(stamp), end.Format(stamp)) +
		`"telnyxSessionId":"session-` + number + `","telnyxLegId":"leg-` + number + `","sdkVersion":"2.27.10"},"stats":[` + stats.String() + `],"logs":[]}`
	return func(buf []byte, n uint64) []byte {
		return request(buf, "/webhooks/telnyx/"+urlToken, "application/json", []byte(strings.ReplaceAll(body, number, digits(n))))
	}
}
