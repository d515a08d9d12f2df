package normalizer

// telnyxCauses are the values of Telnyx' hangup_cause. The set is open in
// practice. A rejection may be the callee's (603) or a matter of credentials
// (403, 407), and a timeout may be the network's (408, 504).
func telnyxCauses() map[string]Cause {
	return map[string]Cause{
		"normal_clearing":   {Class: classNormal},
		"user_busy":         {Class: classUser},
		"no_answer":         {Class: classUser},
		"call_rejected":     {Class: classUser, SIP: []int64{403, 407, 603}},
		"originator_cancel": {Class: classUser},
		"timeout":           {Class: classUser, SIP: []int64{408, 504}},
		"time_limit":        {Class: classPolicy, Severity: info},
		"not_found":         {Class: classNumber, Severity: info},
		"unspecified":       {Class: classInternal, Severity: info, AnySIP: true},
		anyWord:             {Class: classInternal, Severity: info},
	}
}
