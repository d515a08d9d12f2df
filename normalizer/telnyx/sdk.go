package telnyx

import (
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer/lenient"
)

// sdk is what the SDKs do differently.
type sdk struct {
	active       bool    // JS, iOS and React Native collect from the answer on, Android and Flutter while it rings too
	ends         bool    // Android says why the call ended
	divides      bool    // Android divides a large report into parts without numbers
	flushStarts  bool    // reports of React Native in mid call have the collector's start for the call's
	zeroCounts   bool    // Android, React Native and iOS write 0 for counters they do not know
	zeroFigures  bool    // Android does so for averages as well
	remoteJitter float64 // factor to ms of the far end's jitter: Flutter reports seconds
}

// sdkOf tells the SDK by its user agent, else by what it always writes:
// Android has members of its own, React Native writes the direction in upper case
// and iOS the call id. Flutter writes times in microseconds, its last report is
// done like theirs, which JS has no state for, and its flushes have neither state
// nor start.
func sdkOf(n lenient.Node) sdk {
	summary := n.At("summary")
	agent := strings.ToLower(n.At("user_agent").Or(n.At("version")).Text())
	upper := func(member string) bool {
		s := summary.At(member).Text()
		return s != strings.ToLower(s) && s == strings.ToUpper(s)
	}
	names := func(sdk string) bool { return strings.Contains(agent, sdk) }
	switch {
	case names("flutter"):
		return flutterSDK()
	case n.At("android_extra").IsObject():
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
	case writesLikeFlutter(n, summary):
		return flutterSDK()
	default:
		return sdk{active: true, remoteJitter: 1}
	}
}

func androidSDK() sdk {
	return sdk{ends: true, divides: true, zeroCounts: true, zeroFigures: true, remoteJitter: 1}
}

func reactNativeSDK() sdk {
	return sdk{active: true, flushStarts: true, zeroCounts: true, remoteJitter: 1}
}

func iosSDK() sdk { return sdk{active: true, zeroCounts: true, remoteJitter: 1} }

func flutterSDK() sdk { return sdk{remoteJitter: 1000} }

func writesLikeFlutter(n, summary lenient.Node) bool {
	state := summary.At("state").Text()
	switch {
	case summary.At("voiceSdkId").Text() != "", lenient.FoldWord(n.At("flushReason", "type").Text()) == "safety-interval":
		return true
	case lenient.FoldWord(state) == "done", microseconds(summary.At("startTimestamp").Text()):
		return true
	case state == "" && summary.At("startTimestamp").Text() == "" && n.At("flushReason").IsObject():
		return true
	}
	stats := n.At("stats").List()
	return len(stats) > 0 && microseconds(stats[0].At("intervalStartUtc").Text())
}

// microseconds reports whether a time has more than three decimals of a second.
func microseconds(text string) bool {
	_, fraction, ok := strings.Cut(text, ".")
	digits := strings.TrimRight(fraction, "Zz")
	return ok && len(digits) > 3 && strings.Trim(digits, "0123456789") == ""
}

const (
	maxLogs   = 20000
	maxStates = 256
)

// states are the times at which the call was put on hold and taken back, as
// the logs have them: "Call <id> state change from active to held", or "Call state
// changed" with the state in the context. Of the other changes only one that may
// end a hold of an earlier report is kept.
func states(n lenient.Node, s *stats) []call.State {
	logs := n.At("logs")
	entries := logs.List()
	if logs.IsObject() {
		entries = logs.At("entries").List()
	}
	var states []call.State
	for _, entry := range entries[:min(len(entries), maxLogs)] {
		message := entry.At("message").Text()
		before, change, ok := strings.Cut(strings.ToLower(message), "state change")
		at := entry.At("timestamp").Time()
		if !ok || at.IsZero() || len(states) >= maxStates || !ofThisCall(before, n) {
			continue
		}
		context := entry.At("context")
		from := lenient.FoldWord(context.At("previousState").Or(context.At("fromState")).Text())
		to := lenient.FoldWord(context.At("state").Or(context.At("toState")).Or(context.At("newState")).Text())
		if words := strings.Fields(change); to == "" && len(words) >= 3 {
			from, to = lenient.FoldWord(words[len(words)-3]), lenient.FoldWord(words[len(words)-1])
		}
		state := call.State{At: at, Held: to == "held", Was: from == "held"}
		if state.Held || state.Was || len(states) > 0 || from == "" && !s.counters.Begins {
			states = append(states, state)
		}
	}
	if len(s.intervals) > 0 && lenient.FoldWord(n.At("summary", "state").Text()) == "held" && (len(states) == 0 || !states[len(states)-1].Held) {
		states = append(states, call.State{At: s.silentSince(), Held: true})
	}
	return states
}

// ofThisCall reports whether what is before a state change names no other
// call: the log of an SDK may be that of all its calls.
func ofThisCall(before string, n lenient.Node) bool {
	name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(before), "call"))
	return name == "" || !strings.Contains(name, "-") || strings.Contains(name, strings.ToLower(n.At("summary", "callId").Or(n.At("call_id")).Text()))
}

// silentSince is the start of the intervals at the end in which nothing was
// received, else the end of the last one.
func (s *stats) silentSince() time.Time {
	since := s.counters.To
	for i := len(s.intervals) - 1; i >= 0; i-- {
		if iv := &s.intervals[i]; iv.PacketsReceived == nil || *iv.PacketsReceived > 0 {
			break
		}
		since = s.intervals[i].Start
	}
	return since
}
