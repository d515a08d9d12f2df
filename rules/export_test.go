package rules

const (
	MaxSummary       = maxSummary
	MaxSummarySource = maxSummarySource
)
