package telnyx

import "callwatch/normalizer"

// causes are the values of Telnyx' hangup_cause. The set is open in
// practice. A rejection may be the callee's (603) or a matter of credentials
// (403, 407), and a timeout may be the network's (408, 504).
func causes() map[string]normalizer.Cause {
	return map[string]normalizer.Cause{
		"normal_clearing":   {Class: normalizer.ClassNormal},
		"user_busy":         {Class: normalizer.ClassUser},
		"no_answer":         {Class: normalizer.ClassUser},
		"call_rejected":     {Class: normalizer.ClassUser, SIP: []int64{403, 407, 603}},
		"originator_cancel": {Class: normalizer.ClassUser},
		"timeout":           {Class: normalizer.ClassUser, SIP: []int64{408, 504}},
		"time_limit":        {Class: normalizer.ClassPolicy, Severity: normalizer.Info},
		"not_found":         {Class: normalizer.ClassNumber, Severity: normalizer.Info},
		"unspecified":       {Class: normalizer.ClassInternal, Severity: normalizer.Info, AnySIP: true},
		normalizer.AnyWord:  {Class: normalizer.ClassInternal, Severity: normalizer.Info},
	}
}
