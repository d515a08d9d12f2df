package yamlfile

import (
	"fmt"
	"strconv"
	"time"
)

// ParseDuration reads 30s, 1h30m, 7d and 2w: Go's durations, and days and weeks
// of 24 hours. Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	if n := len(s); n > 1 && (s[n-1] == 'd' || s[n-1] == 'w') {
		days, err := strconv.ParseFloat(s[:n-1], 64)
		if s[n-1] == 'w' {
			days *= 7
		}
		if err != nil || !(days >= 0 && days <= 36500) { // NaN is neither
			return 0, fmt.Errorf("parse duration %q", s)
		}
		return time.Duration(days * float64(24*time.Hour)), nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("parse duration %q", s)
	}
	return v, nil
}
