package normalizer

import "callwatch/call"

func classifyHangup(e *call.Event) {}

// causeName stands in until the table of hangup causes is merged: replace it.
func causeName(code int64) string {
	return map[int64]string{
		16: "NORMAL_CLEARING", 17: "USER_BUSY", 18: "NO_USER_RESPONSE", 19: "NO_ANSWER", 21: "CALL_REJECTED",
		38: "NETWORK_OUT_OF_ORDER", 41: "NORMAL_TEMPORARY_FAILURE", 487: "ORIGINATOR_CANCEL",
		802: "ALLOTTED_TIMEOUT", 804: "MEDIA_TIMEOUT",
	}[code]
}
