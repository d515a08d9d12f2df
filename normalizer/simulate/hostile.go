package simulate

import (
	"strings"
	"time"
)

// hostileTexts are what an attacker puts where a name belongs.
func hostileTexts() []string {
	return []string{
		"<!channel> *pay now* <https://evil.example|click here>",
		"`code` ~struck~ _it_ &lt;!here&gt; <@U00000000>",
		`<script>alert("callwatch")</script><img src=x onerror=alert(1)>`,
		"null\x00bell\x07escape\x1b[31m tab\t line\r\nX-Injected: yes",
		"\u202egnp.exe\u2066 \u200bzero width \ufeff",
		`'; DROP TABLE calls; -- {{ .Secret }} ${env:HOME} %s%n`,
		"../../../../etc/passwd",
		"callwatch.event.> * $JS.API.STREAM.DELETE.RAW",
		strings.Repeat("very long name ", 4000),
		strings.Repeat("🔥", 5000),
	}
}

// Word is a text a caller could have chosen: the given one, or a hostile one.
func (n *Renderer) Word(good string) string {
	if n.Fault != hostile {
		return good
	}
	return n.Pick(hostileTexts()...)
}

// attacks are requests beside the call's own: one forged, and one that is signed
// but cannot be understood.
func (n *Renderer) attacks(of []Request) []Request {
	var out []Request
	for i := range of {
		if of[i].Expect == Normalized {
			out = append(out, of[i].forged(), of[i].broken(n.Rand))
			break
		}
	}
	return out
}

// broken is a request whose body is beyond understanding, signed all the same.
func (r *Request) broken(c Rand) Request {
	bodies := map[string]string{
		"cut off":  `{"data":{"event_type":"call.hangup","payload":{"call_leg_id":"`,
		"deep":     strings.Repeat(`{"data":[`, 5000) + strings.Repeat(`]}`, 5000),
		"no JSON":  "<html><body>502 Bad Gateway</body></html>",
		"binary":   "\x89PNG\r\n\x1a\n\x00\xff\xfe",
		"trailing": `{} {}`,
	}
	what := c.Pick("cut off", "deep", "no JSON", "binary", "trailing")
	b := *r
	b.Kind, b.Body, b.CallID = "unreadable", []byte(bodies[what]), ""
	b.Expect, b.Note = DeadLetter, "unreadable: "+what
	b.Header = r.Header.Clone()
	b.Header.Set("Content-Type", JSONType)
	b.digest()
	b.At += 50 * time.Millisecond
	return b
}
