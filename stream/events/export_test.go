package events

// Bounds for the tests outside.
const (
	FewEvents    = fewEvents
	MaxBatchSize = maxBatchSize
	MaxHeader    = maxHeader
)
