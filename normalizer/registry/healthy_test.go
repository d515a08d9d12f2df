package registry

import (
	"testing"
	"time"

	"callwatch/normalizer/providerfake"
)

// The reports of a healthy fleet are poor in no figure that the shipped rules judge;
// those of another one are.
func TestHealthyReports(t *testing.T) {
	bad := map[string]func(v float64) bool{
		"mos": func(v float64) bool { return v < 3.5 }, "packetsLost": func(v float64) bool { return v > 50 },
		"rttMs": func(v float64) bool { return v > 300 }, "jitterMs": func(v float64) bool { return v > 30 },
	}
	for _, e := range All() {
		for _, api := range e.FakeAPIs {
			for _, healthy := range []bool{true, false} {
				fake := providerfake.New(api, providerfake.Options{Seed: 3, Now: time.Now, Healthy: healthy})
				poor, judged := 0, 0
				for _, c := range fake.Make(40, providerfake.Making{First: time.Now()}) {
					for name, v := range c.Figures {
						if is := bad[name]; is != nil {
							judged++
							if is(v) {
								poor++
							}
						}
					}
				}
				if healthy && poor > 0 || !healthy && judged > 0 && poor == 0 {
					t.Errorf("%s %s, healthy %t: %d of %d figures are poor", e.Provider.Name, api.Variant, healthy, poor, judged)
				}
			}
		}
	}
}
