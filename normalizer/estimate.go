package normalizer

import "callwatch/call"

// Codecs is the codec table of the estimator.
type Codecs map[string]any

func estimate(e *call.Event, o Options) {}
