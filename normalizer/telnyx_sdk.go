package normalizer

import (
	"strings"
	"time"

	"callwatch/call"
)

// telnyxSDK is what the SDKs do differently.
type telnyxSDK struct {
	active       bool    // JS, iOS and React Native collect from the answer on, Android and Flutter while it rings too
	ends         bool    // Android says why the call ended
	divides      bool    // Android divides a large report into parts without numbers
	flushStarts  bool    // reports of React Native in mid call have the collector's start for the call's
	zeroCounts   bool    // Android, React Native and iOS write 0 for counters they do not know
	zeroFigures  bool    // Android does so for averages as well
	remoteJitter float64 // factor to ms of the far end's jitter: Flutter reports seconds
}

// telnyxSDKOf tells the SDK by its user agent, else by what it always writes:
// Android has members of its own, React Native writes the direction in upper case
// and iOS the call id. Flutter writes times in microseconds, its last report is
// done like theirs, which JS has no state for, and its flushes have neither state
// nor start.
func telnyxSDKOf(n node) telnyxSDK {
	summary := n.at("summary")
	agent := strings.ToLower(n.at("user_agent").or(n.at("version")).text())
	upper := func(member string) bool {
		s := summary.at(member).text()
		return s != strings.ToLower(s) && s == strings.ToUpper(s)
	}
	names := func(sdk string) bool { return strings.Contains(agent, sdk) }
	switch {
	case names("flutter"):
		return flutterSDK()
	case n.at("android_extra").isObject():
		return androidSDK()
	case names("react"):
		return reactNativeSDK()
	case names("android"):
		return androidSDK()
	case names("ios"):
		return iosSDK()
	case upper("direction"):
		return reactNativeSDK()
	case upper("callId"):
		return iosSDK()
	case telnyxWritesLikeFlutter(n, summary):
		return flutterSDK()
	default:
		return telnyxSDK{active: true, remoteJitter: 1}
	}
}

func androidSDK() telnyxSDK {
	return telnyxSDK{ends: true, divides: true, zeroCounts: true, zeroFigures: true, remoteJitter: 1}
}

func reactNativeSDK() telnyxSDK {
	return telnyxSDK{active: true, flushStarts: true, zeroCounts: true, remoteJitter: 1}
}

func iosSDK() telnyxSDK { return telnyxSDK{active: true, zeroCounts: true, remoteJitter: 1} }

func flutterSDK() telnyxSDK { return telnyxSDK{remoteJitter: 1000} }

func telnyxWritesLikeFlutter(n, summary node) bool {
	state := summary.at("state").text()
	switch {
	case summary.at("voiceSdkId").text() != "", foldWord(n.at("flushReason", "type").text()) == "safety-interval":
		return true
	case foldWord(state) == "done", microseconds(summary.at("startTimestamp").text()):
		return true
	case state == "" && summary.at("startTimestamp").text() == "" && n.at("flushReason").isObject():
		return true
	}
	stats := n.at("stats").list()
	return len(stats) > 0 && microseconds(stats[0].at("intervalStartUtc").text())
}

// microseconds reports whether a time has more than three decimals of a second.
func microseconds(text string) bool {
	_, fraction, ok := strings.Cut(text, ".")
	digits := strings.TrimRight(fraction, "Zz")
	return ok && len(digits) > 3 && strings.Trim(digits, "0123456789") == ""
}

const (
	telnyxMaxLogs   = 20000
	telnyxMaxStates = 256
)

// telnyxStates are the times at which the call was put on hold and taken back, as
// the logs have them: "Call <id> state change from active to held", or "Call state
// changed" with the state in the context. Of the other changes only one that may
// end a hold of an earlier report is kept.
func telnyxStates(n node, s *telnyxStats) []call.State {
	logs := n.at("logs")
	entries := logs.list()
	if logs.isObject() {
		entries = logs.at("entries").list()
	}
	var states []call.State
	for _, entry := range entries[:min(len(entries), telnyxMaxLogs)] {
		message := entry.at("message").text()
		before, change, ok := strings.Cut(strings.ToLower(message), "state change")
		at := entry.at("timestamp").time()
		if !ok || at.IsZero() || len(states) >= telnyxMaxStates || !ofThisCall(before, n) {
			continue
		}
		context := entry.at("context")
		from := foldWord(context.at("previousState").or(context.at("fromState")).text())
		to := foldWord(context.at("state").or(context.at("toState")).or(context.at("newState")).text())
		if words := strings.Fields(change); to == "" && len(words) >= 3 {
			from, to = foldWord(words[len(words)-3]), foldWord(words[len(words)-1])
		}
		state := call.State{At: at, Held: to == "held", Was: from == "held"}
		if state.Held || state.Was || len(states) > 0 || from == "" && !s.counters.Begins {
			states = append(states, state)
		}
	}
	if len(s.intervals) > 0 && foldWord(n.at("summary", "state").text()) == "held" && (len(states) == 0 || !states[len(states)-1].Held) {
		states = append(states, call.State{At: s.silentSince(), Held: true})
	}
	return states
}

// ofThisCall reports whether what stands before a state change names no other
// call: the log of an SDK may be that of all its calls.
func ofThisCall(before string, n node) bool {
	name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(before), "call"))
	return name == "" || !strings.Contains(name, "-") || strings.Contains(name, strings.ToLower(n.at("summary", "callId").or(n.at("call_id")).text()))
}

// silentSince is the start of the intervals at the end in which nothing was
// received, else the end of the last one.
func (s *telnyxStats) silentSince() time.Time {
	since := s.counters.To
	for i := len(s.intervals) - 1; i >= 0; i-- {
		if iv := &s.intervals[i]; iv.PacketsReceived == nil || *iv.PacketsReceived > 0 {
			break
		}
		since = s.intervals[i].Start
	}
	return since
}
