package normalizer

import "callwatch/call"

func classifyHangup(e *call.Event) {}
