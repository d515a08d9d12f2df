package cli

import (
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
)

func TestUsageText(t *testing.T) {
	t.Parallel()
	days := 2.25
	for want, u := range map[string]backend.StoreUsage{
		"0 B":               {},
		"1.5 kB of 20.0 GB": {Bytes: 1500, Limit: 20e9},
		"999 B of 1.0 kB":   {Bytes: 999, Limit: 1000},
		"1.0 MB of 4.0 MB, grows by 2.0 MB a day, reaches the limit in 2.2 days": {Bytes: 1e6, Limit: 4e6, GrowthPerDay: 2e6, DaysLeft: &days},
		"1.0 MB of 4.0 MB; events is kept 3.0 d less than configured; raw is kept 12.0 h less than configured": {
			Bytes: 1e6, Limit: 4e6, Short: map[string]int64{"raw": int64((12 * time.Hour).Seconds()), "events": int64((3 * config.Day).Seconds())},
		},
	} {
		if got := UsageText(&u); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1 body": Plural(1, "body"), "2 bodies": Plural(2, "body"), "0 days": Plural(0, "day"), "1,000 calls": Plural(1000, "call"), "2 pending requests": Plural(2, "pending request"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
