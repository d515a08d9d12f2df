package retention

import (
	"math"
	"testing"
	"time"
)

func TestDaysLeft(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		usage Usage
		days  float64 // -1: never
	}{
		"no growth":                          {Usage{Used: 50, Limit: 100}, -1},
		"an external server":                 {Usage{Used: 50, Growing: []Growth{{PerDay: 10}}}, -1},
		"for ever":                           {Usage{Used: 50, Limit: 100, Growing: []Growth{{PerDay: 10}}}, 5},
		"full":                               {Usage{Used: 110, Limit: 100, Growing: []Growth{{PerDay: 10}}}, 0},
		"old enough before":                  {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 4 * day}}}, -1},
		"old enough too late":                {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 6 * day}}}, 5},
		"one ends, the other goes on":        {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 0}}}, 6},
		"the order does not count":           {Usage{Used: 50, Limit: 100, Growing: []Growth{{5, 0}, {10, 2 * day}}}, 6},
		"both end before":                    {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 3 * day}}}, -1},
		"the second ends at the very moment": {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 6 * day}}}, 6},
	} {
		days, ok := c.usage.DaysLeft()
		if !ok {
			days = -1
		}
		if math.Abs(days-c.days) > 1e-9 {
			t.Errorf("%s: %v days, want %v", name, days, c.days)
		}
	}
}

func TestGrowthOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age, keep time.Duration
		want      Growth
		ok        bool
	}{
		"too new to tell":     {time.Minute, 0, Growth{}, false},
		"kept for ever":       {48 * time.Hour, 0, Growth{PerDay: 500}, true},
		"not yet at its age":  {48 * time.Hour, 72 * time.Hour, Growth{500, 24 * time.Hour}, true},
		"at its age":          {72 * time.Hour, 72 * time.Hour, Growth{}, false},
		"about to be removed": {72*time.Hour - time.Second, 72 * time.Hour, Growth{}, false},
	} {
		if got, ok := growthOf(1000, c.age, c.keep); ok != c.ok || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}
