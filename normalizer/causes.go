package normalizer

import (
	"strings"
	"sync"
)

// causeRow is one hangup cause: ITU-T Q.850 up to 127 but 0 and 45; those and
// the higher numbers are FreeSWITCH's own.
type causeRow struct {
	code     int64
	name     string // in FreeSWITCH, "" where it has none
	class    string
	severity severity
}

func (r causeRow) cause() Cause { return Cause{Class: r.class, Severity: r.severity} }

// causeNumbered finds a cause by its number.
func causeNumbered(code int64) (causeRow, bool) {
	row, ok := causeTable().byCode[code]
	return row, ok
}

// causeNamed finds a cause by FreeSWITCH's name of it, in lower case.
func causeNamed(name string) (causeRow, bool) {
	row, ok := causeTable().byName[name]
	return row, ok
}

// CauseName is FreeSWITCH's name of a cause, "" for a number without one.
func CauseName(code int64) string { return causeTable().byCode[code].name }

type causeIndex struct {
	byCode map[int64]causeRow
	byName map[string]causeRow
}

var causeTable = sync.OnceValue(func() causeIndex {
	t := causeIndex{map[int64]causeRow{}, map[string]causeRow{}}
	for _, row := range causeRows() {
		t.byCode[row.code] = row
		if row.name != "" {
			t.byName[strings.ToLower(row.name)] = row
		}
	}
	return t
})

func causeRows() []causeRow {
	return []causeRow{
		{0, "NONE", ClassInternal, Info},
		{1, "UNALLOCATED_NUMBER", ClassNumber, Info},
		{2, "NO_ROUTE_TRANSIT_NET", classNetwork, warning},
		{3, "NO_ROUTE_DESTINATION", classNetwork, warning},
		{4, "", ClassNumber, Info}, // send special information tone
		{5, "", ClassNumber, Info}, // misdialled trunk prefix
		{6, "CHANNEL_UNACCEPTABLE", classConfig, warning},
		{7, "CALL_AWARDED_DELIVERED", ClassNormal, Info},
		{8, "", classNetwork, warning}, // preemption
		{9, "", classNetwork, warning}, // preemption, circuit reserved for reuse
		{16, "NORMAL_CLEARING", ClassNormal, harmless},
		{17, "USER_BUSY", ClassUser, harmless},
		{18, "NO_USER_RESPONSE", ClassUser, harmless},
		{19, "NO_ANSWER", ClassUser, harmless},
		{20, "SUBSCRIBER_ABSENT", ClassUser, harmless},
		{21, "CALL_REJECTED", ClassUser, harmless},
		{22, "NUMBER_CHANGED", ClassNumber, Info},
		{23, "REDIRECTION_TO_NEW_DESTINATION", ClassNormal, Info},
		{25, "EXCHANGE_ROUTING_ERROR", classNetwork, warning},
		{26, "", ClassUser, Info}, // non-selected user clearing
		{27, "DESTINATION_OUT_OF_ORDER", classNetwork, warning},
		{28, "INVALID_NUMBER_FORMAT", ClassNumber, Info},
		{29, "FACILITY_REJECTED", classConfig, warning},
		{30, "RESPONSE_TO_STATUS_ENQUIRY", ClassInternal, Info},
		{31, "NORMAL_UNSPECIFIED", ClassNormal, Info},
		{34, "NORMAL_CIRCUIT_CONGESTION", classNetwork, critical},
		{38, "NETWORK_OUT_OF_ORDER", classNetwork, critical},
		{39, "", classNetwork, warning}, // permanent frame mode connection out of service
		{41, "NORMAL_TEMPORARY_FAILURE", classNetwork, critical},
		{42, "SWITCH_CONGESTION", classNetwork, critical},
		{43, "ACCESS_INFO_DISCARDED", classNetwork, warning},
		{44, "REQUESTED_CHAN_UNAVAIL", classNetwork, critical},
		{45, "PRE_EMPTED", classNetwork, warning},
		{47, "", classNetwork, critical}, // resource unavailable, unspecified
		{49, "", classNetwork, warning},  // quality of service unavailable
		{50, "FACILITY_NOT_SUBSCRIBED", classConfig, warning},
		{52, "OUTGOING_CALL_BARRED", classConfig, warning},
		{54, "INCOMING_CALL_BARRED", classConfig, warning},
		{55, "", classConfig, warning}, // incoming calls barred within CUG
		{57, "BEARERCAPABILITY_NOTAUTH", classConfig, warning},
		{58, "BEARERCAPABILITY_NOTAVAIL", classNetwork, warning},
		{63, "SERVICE_UNAVAILABLE", classConfig, warning},
		{65, "BEARERCAPABILITY_NOTIMPL", classConfig, warning},
		{66, "CHAN_NOT_IMPLEMENTED", classConfig, warning},
		{69, "FACILITY_NOT_IMPLEMENTED", classConfig, warning},
		{70, "", classConfig, warning}, // only restricted digital bearer available
		{79, "SERVICE_NOT_IMPLEMENTED", classConfig, warning},
		{81, "INVALID_CALL_REFERENCE", ClassInternal, warning},
		{87, "", classConfig, warning}, // user not member of CUG
		{88, "INCOMPATIBLE_DESTINATION", classConfig, warning},
		{95, "INVALID_MSG_UNSPECIFIED", ClassInternal, warning},
		{96, "MANDATORY_IE_MISSING", ClassInternal, warning},
		{97, "MESSAGE_TYPE_NONEXIST", ClassInternal, warning},
		{98, "WRONG_MESSAGE", ClassInternal, warning},
		{99, "IE_NONEXIST", ClassInternal, warning},
		{100, "INVALID_IE_CONTENTS", ClassInternal, warning},
		{101, "WRONG_CALL_STATE", ClassInternal, warning},
		{102, "RECOVERY_ON_TIMER_EXPIRE", classNetwork, critical},
		{103, "MANDATORY_IE_LENGTH_ERROR", ClassInternal, warning},
		{111, "PROTOCOL_ERROR", classNetwork, warning},
		{127, "INTERWORKING", classNetwork, warning},
		{142, "SUCCESS", ClassNormal, harmless},
		{487, "ORIGINATOR_CANCEL", ClassUser, harmless},
		{700, "CRASH", ClassInternal, critical},
		{701, "SYSTEM_SHUTDOWN", ClassInternal, critical},
		{702, "LOSE_RACE", ClassNormal, harmless},
		{703, "MANAGER_REQUEST", ClassNormal, Info},
		{800, "BLIND_TRANSFER", ClassNormal, harmless},
		{801, "ATTENDED_TRANSFER", ClassNormal, harmless},
		{802, "ALLOTTED_TIMEOUT", ClassPolicy, Info},
		{803, "USER_CHALLENGE", classAuth, warning},
		{804, "MEDIA_TIMEOUT", classMedia, critical},
		{805, "PICKED_OFF", ClassNormal, harmless},
		{806, "USER_NOT_REGISTERED", classConfig, warning},
		{807, "PROGRESS_TIMEOUT", classNetwork, critical},
		{808, "INVALID_GATEWAY", classConfig, critical},
		{809, "GATEWAY_DOWN", classNetwork, critical},
		{810, "INVALID_URL", classConfig, warning},
		{811, "INVALID_PROFILE", classConfig, critical},
		{812, "NO_PICKUP", ClassUser, harmless},
		{813, "SRTP_READ_ERROR", classMedia, critical},
		{814, "BOWOUT", ClassNormal, harmless},
		{815, "BUSY_EVERYWHERE", ClassUser, harmless},
		{816, "DECLINE", ClassUser, harmless},
		{817, "DOES_NOT_EXIST_ANYWHERE", ClassNumber, Info},
		{818, "NOT_ACCEPTABLE", classConfig, warning},
		{819, "UNWANTED", ClassUser, warning},
		{820, "NO_IDENTITY", ClassPolicy, warning},
		{821, "BAD_IDENTITY_INFO", ClassPolicy, warning},
		{822, "UNSUPPORTED_CERTIFICATE", ClassPolicy, warning},
		{823, "INVALID_IDENTITY", ClassPolicy, warning},
		{824, "STALE_DATE", ClassPolicy, warning},
		{825, "REJECT_ALL", ClassUser, Info},
	}
}

// CauseCode is the number of a cause by FreeSWITCH's name of it, in any case.
func CauseCode(name string) (int64, bool) {
	row, ok := causeNamed(strings.ToLower(name))
	return row.code, ok
}
