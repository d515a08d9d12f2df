package normalizer

import (
	"slices"

	"callwatch/call"
	"callwatch/normalizer/lenient"
)

// callbackKind is what a callback of the TwiML family is about. TeXML, cXML and
// TwiML name the same things alike.
type callbackKind int

const (
	UnknownCallback callbackKind = iota
	StatusCallback               // the status of a call
	CostCallback                 // the cost of a call
	OtherCallback                // a recording, conference, queue, message ...: acknowledged and ignored
)

// otherSubjects are members that only callbacks about something else than the
// status of a call have. Several of those callbacks carry CallSid and CallStatus
// too, with the status of the call at that moment and the time of their own
// subject.
var otherSubjects = []string{
	"ConferenceSid", "StatusCallbackEvent", "ReasonConferenceEnded",
	"RecordingStatus", "RecordingEvent", "RecordingSource", "RecordingStartTime",
	"TranscriptionSid", "TranscriptionStatus", "TranscriptionText", "TranscriptionEvent", "TranscriptionData", "Transcript",
	"QueueSid", "QueueResult", "QueueTime", "QueuePosition", "CurrentQueueSize",
	"StreamSid", "StreamEvent", "StreamStatus", "SiprecSid", "SiprecEvent", "SiprecStatus",
	"Digits", "FinishedOn", "SpeechResult", "Confidence", "MachineDetectionDuration", "DeepfakeResult",
	"MessageSid", "MessageStatus", "SmsSid", "SmsStatus", "SmsMessageSid", "FaxSid", "FaxStatus",
	"PaymentCardNumber", "PaymentError", "PaymentToken", "ReferTransferTarget", "ReferCallStatus", "HttpRequestStatus",
}

// recordingMembers are of a recording in a callback without a call; with a call
// they may be in the callback of its end too.
var recordingMembers = []string{"RecordingSid", "RecordingUrl"}

// CallbackOf tells a callback's kind: by CallbackSource where it has one, else by
// its members. A request for a document carries CallStatus as well; what it
// lacks is the time of a change of status.
func CallbackOf(n lenient.Node) callbackKind {
	has := func(name string) bool { return !n.At(name).IsNull() }
	named := n.At("CallSid").Or(n.At("CallLegId")).Text() != ""
	switch source := lenient.FoldWord(n.At("CallbackSource").Text()); {
	case source == "call-progress-events" && named:
		return StatusCallback
	case source == "call-cost-events" && named:
		return CostCallback
	case source != "" && source != "call-progress-events" && source != "call-cost-events":
		return OtherCallback
	case slices.ContainsFunc(otherSubjects, has) || !named && slices.ContainsFunc(recordingMembers, has):
		return OtherCallback
	case !named:
		return UnknownCallback
	case EndedStatus(lenient.FoldWord(n.At("CallStatus").Text())), n.At("CallStatus").Text() != "" && has("Timestamp"):
		return StatusCallback
	default:
		return OtherCallback
	}
}

// EndedStatus says whether a folded status is that of a call that is over.
func EndedStatus(status string) bool {
	switch status {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return true
	}
	return false
}
