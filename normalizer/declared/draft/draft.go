// Package draft writes a first declaration of a provider by one of its bodies.
package draft

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer/declared/expression"

	"callwatch/call"
	"callwatch/normalizer/lenient"
)

// likely is how the members of bodies are usually named, by field: the first name that is
// there counts. Names are compared in lower case without separators.
func likely() []struct {
	field string
	names string
} {
	return []struct {
		field string
		names string
	}{
		{"callId", "callid calluuid callsid callsessionid conversationid conversationuuid calllegid uuid sid id"},
		{"sessionId", "sessionid sessionuuid conversationuuid roomid"},
		{"agentId", "agentid assistantid botid"},
		{"agentName", "agentname assistantname botname"},
		{"direction", "direction calldirection dir"},
		{"status", "callstatus status state callstate outcome"},
		{"from", "fromnumber from caller callernumber callerid src ani callfrom"},
		{"to", "tonumber to callee calleenumber destination destinationnumber dst dnis called callto"},
		{"startedAt", "startedat starttime starttimestamp start createdat initiationtime initiatedat callstart"},
		{"ringingAt", "ringingat ringtime progresstime"},
		{"answeredAt", "answeredat answertime answertimestamp connectedat answer"},
		{"endedAt", "endedat endtime endtimestamp end hanguptime completedat finishedat"},
		{"durationSec", "durationsec durationseconds billsec talktime duration callduration callduration durationms callsec calllength"},
		{"hangupCause", "hangupcause hangupcausename disconnectreason disconnectionreason endedreason endreason terminationreason cause reason"},
		{"hangupCode", "hangupcausecode q850 hangupcauseq850 q850cause causecode"},
		{"hangupSource", "hangupsource disconnectedby hangupparty hungupby"},
		{"sipCode", "sipcode sipstatus sipresponse sipresponsecode sipstatuscode"},
		{"codec", "codec codecname audiocodec"},
		{"packetsReceived", "packetsreceived rxpackets packetsin inpackets packetcount receivedpackets"},
		{"packetsLost", "packetslost lostpackets packetloss rxlost lost"},
		{"packetsSent", "packetssent txpackets packetsout outpackets sentpackets"},
		{"packetLossPct", "packetlosspct packetlosspercentage packetlosspercent losspercent losspct packetlossrate lossrate"},
		{"jitterMs", "jitterms jitter avgjitter jitteravg averagejitter meanjitter"},
		{"rttMs", "rttms rtt roundtriptime avgrtt latency averagelatency"},
		{"mos", "mos mosscore avgmos averagemos inboundmos quality"},
		{"cost", "cost price totalcost totalamount combinedcost amount"},
		{"costCurrency", "currency costcurrency priceunit"},
		{"errorMessage", "errormessage error errordetail"},
		{"region", "region mediaregion dc"},
	}
}

// leafOf is a scalar of a body.
type leafOf struct {
	path  string // as an expression has it
	name  string // in lower case without separators
	value any
	depth int
}

// Declaration writes a first declaration for a body by the names and sizes of its members.
func Declaration(name string, body []byte, form bool) ([]byte, error) {
	var n lenient.Node
	var err error
	if form {
		n, err = lenient.ParseForm(body)
	} else {
		n, err = lenient.ParseJSON(body)
	}
	if err != nil {
		return nil, err
	}
	each := ""
	if n.IsList() && len(n.List()) > 0 {
		n, each = n.List()[0], "\n# each element of the body is a record"
	}
	leaves := leavesOf(n, "body", 0)
	if len(leaves) == 0 {
		return nil, fmt.Errorf("the body has no members")
	}
	var set []string
	for _, l := range likely() {
		if leaf, ok := find(leaves, strings.Fields(l.names)); ok {
			if expression := draftOf(l.field, leaf); expression != "" {
				set = append(set, "      "+l.field+": "+expression)
			}
		}
	}
	if len(set) == 0 || !strings.Contains(set[0], "callId:") {
		set = append([]string{"      callId: body.id # not found: name the member with the id of the call"}, set...)
	}
	when := ""
	if kind, ok := find(leaves, []string{"event", "eventtype", "type", "kind", "messagetype"}); ok {
		when = fmt.Sprintf("    when: %s == %q\n", kind.path, fmt.Sprint(kind.value))
	}
	test := "    body: " + string(expression.Encode(expression.Value(n))) // JSON is YAML
	if form {
		test = "    form: " + string(expression.Encode(expression.Value(n)))
	}
	format := ""
	if form {
		format = "body: {format: form}\n"
	}
	return fmt.Appendf(nil, `# yaml-language-server: $schema=providers.schema.json
# A first mapping by the names of the members: read it, then run callwatch providers test.%s
title: %s
verify:
  # How the provider signs: see its documentation. Without a signature write: verify: none
  hmac: {secret: SIGNING_SECRET, header: X-Signature, encoding: hex, signed: "{body}"}
%sevents:
  - name: ended
%s    kind: ended
    set:
%s
tests:
  - name: ended
%s
    want: {kind: ended}
`, each, strings.ToUpper(name[:1])+name[1:], format, when, strings.Join(set, "\n"), test), nil
}

func leavesOf(n lenient.Node, path string, depth int) []leafOf {
	var out []leafOf
	if depth > 6 {
		return nil
	}
	members := map[string]lenient.Node{}
	for name, m := range n.Members() {
		members[name] = m
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m := members[name]
		at := path + "." + name
		if !identifier(name) {
			at = fmt.Sprintf("%s[%q]", path, name)
		}
		switch {
		case m.IsObject():
			out = append(out, leavesOf(m, at, depth+1)...)
		case !m.IsList() && !m.IsNull():
			folded := strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(name))
			out = append(out, leafOf{at, folded, expression.Value(m), depth})
		}
	}
	return out
}

func identifier(s string) bool {
	for i, r := range s {
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}

// find is the leaf of the first of the names; of several the one that is least deep, one
// of a call before others.
func find(leaves []leafOf, names []string) (leafOf, bool) {
	for _, name := range names {
		best := leafOf{depth: 100}
		for _, l := range leaves {
			depth := l.depth
			if name == "id" && strings.Contains(strings.ToLower(l.path), "call.id") {
				depth -= 10
			}
			if l.name == name && depth < best.depth {
				best = l
				best.depth = depth
			}
		}
		if best.depth < 100 {
			return best, true
		}
	}
	return leafOf{}, false
}

// draftOf is the expression for a field; "" where the value cannot be it.
func draftOf(field string, l leafOf) string {
	f, _ := call.Lookup(field)
	figure, isNumber := expression.AsFloat(expression.Number(l.value))
	switch {
	case f.Type == call.Time && isNumber:
		for unit, helper := range map[time.Duration]string{time.Second: "unix", time.Millisecond: "unixMs", time.Microsecond: "unixUs"} {
			if at := lenient.Of(fmt.Sprintf("%.0f", figure)).Unix(unit); at.Year() >= 2010 && at.Year() < 2090 {
				return helper + "(" + l.path + ")"
			}
		}
		return ""
	case f.Type == call.Time:
		if expression.Instant(l.value) == nil {
			return ""
		}
		return "time(" + l.path + ")"
	case field == "from" || field == "to":
		if _, ok := l.value.(string); !ok && !isNumber {
			return ""
		}
		return "phone(" + l.path + ")"
	case field == "status":
		if expression.StatusOf(l.value) == nil {
			return ""
		}
		return "status(" + l.path + ")"
	case field == "durationSec" && strings.HasSuffix(l.name, "ms"):
		return "num(" + l.path + ") / 1000"
	case field == "durationSec":
		return "seconds(" + l.path + ")"
	case (field == "jitterMs" || field == "rttMs") && isNumber && figure > 0 && figure < 1 && !strings.HasSuffix(l.name, "ms"):
		return "1000 * num(" + l.path + ") # below 1: taken for seconds"
	case field == "packetLossPct" && isNumber && strings.HasSuffix(l.name, "rate") && figure <= 1:
		return "100 * num(" + l.path + ") # a rate: taken for a share of 1"
	case f.Type == call.Number || f.Type == call.Integer:
		if !isNumber {
			return ""
		}
		return "num(" + l.path + ")"
	case len(f.Enum) > 0:
		if expression.OneOf(f, fmt.Sprint(l.value)) == "" {
			return ""
		}
	}
	return l.path
}
