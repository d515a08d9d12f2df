package rules

import (
	"time"

	"callwatch/yamlfile"
)

// Problem is one thing that is wrong, or looks wrong, in a rules file.
type Problem = yamlfile.Problem

// Problems of one or more files.
type Problems = yamlfile.Problems

// ParseDuration reads 30s, 1h30m, 7d and 2w: Go's durations, and days and weeks
// of 24 hours. Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) { return yamlfile.ParseDuration(s) }
