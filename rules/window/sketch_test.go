package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Percentiles are within 0.5 % for every order of values, in one bucket and
// spread over a ring of them.
func TestPercentilesOfAdversarialOrders(t *testing.T) {
	const n = 40_000
	rnd := rand.New(rand.NewPCG(1, 2))
	decades := func(i int) float64 { return math.Pow(10, 7*float64(i)/n) }
	for name, value := range map[string]func(i int) float64{
		"ascending":        decades,
		"descending":       func(i int) float64 { return decades(n - 1 - i) },
		"shuffled":         func(int) float64 { return decades(rnd.IntN(n)) },
		"growing bytes":    func(i int) float64 { return 1000 + float64(i)*25_000 },
		"equal":            func(int) float64 { return 4.2 },
		"integers":         func(int) float64 { return float64(rnd.IntN(700)) },
		"zero and a burst": func(i int) float64 { return float64(i / (n / 2) * 1e6) },
		"outliers first":   func(i int) float64 { return 1e12 / math.Pow(float64(i+1), 3) },
		"both signs":       func(i int) float64 { return decades(i) * float64(1-2*(i%2)) },
		"thirty decades":   func(i int) float64 { return math.Pow(10, 30*float64(i)/n-5) },
		"alternating":      func(i int) float64 { return []float64{1e-3, 1e9}[i%2] },
	} {
		for buckets := range []int{0, 29} {
			var ring [30]sketch
			var all []float64
			for i := range n {
				v := value(i)
				all = append(all, v)
				at := i * (buckets + 1) / n
				ring[at] = ring[at].add(v)
			}
			slices.Sort(all)
			for _, p := range []string{"p50", "p90", "p95", "p99"} {
				var m merged
				for _, s := range ring {
					m.add(s)
				}
				q := percentile(p)
				want := all[int(math.Ceil(q*n))-1]
				if got := m.quantile(q); math.Abs(got-want) > 0.00500001*math.Abs(want) {
					t.Errorf("%s over %d buckets: %s is %v, want %v", name, buckets+1, p, got, want)
				}
			}
			for _, s := range ring {
				if len(s) > 2*maxSize+n/maxCell {
					t.Errorf("%s: %d cells", name, len(s))
				}
			}
		}
	}
}

// distinctRing is a ring of exact sets beside the one under test.
type distinctRing struct {
	d    distinctValues
	sets [30]map[string]bool
}

func (r *distinctRing) add(value string, bucket int) {
	if r.sets[bucket] == nil {
		r.sets[bucket] = map[string]bool{}
	}
	r.sets[bucket][value] = true
	r.d.add(value, bucket)
}

func (r *distinctRing) forget(bucket int) {
	r.sets[bucket] = nil
	r.d.forget(bucket)
}

func (r *distinctRing) exact(mask uint64) float64 {
	all := map[string]bool{}
	for b, set := range r.sets {
		if mask&(1<<b) != 0 {
			for v := range set {
				all[v] = true
			}
		}
	}
	return float64(len(all))
}

// Distinct values are exact up to 512 and within 5 % beyond, in every window of
// a ring: with bursts, with values that come again, and once a burst is over.
func TestDistinctOfAdversarialOrders(t *testing.T) {
	plain(t)
	const whole = 1<<30 - 1
	for name, value := range map[string]func(step, i int) (string, bool){
		"steady":         func(step, i int) (string, bool) { return fmt.Sprint(step*10_000 + i), i < 10 },
		"the same again": func(_, i int) (string, bool) { return fmt.Sprint("agent-", i), i < 512 },
		"many again":     func(_, i int) (string, bool) { return fmt.Sprint("agent-", i), i < 5000 },
		"one burst": func(step, i int) (string, bool) {
			return fmt.Sprint(step, "-", i), step == 5 && i < 30_000 || i < 10
		},
		"burst and many": func(step, i int) (string, bool) {
			return fmt.Sprint(step, "-", i), step == 5 && i < 30_000 || i < 2000
		},
		"growing":   func(step, i int) (string, bool) { return fmt.Sprint(step, "-", i), i < 6*step*step },
		"shrinking": func(step, i int) (string, bool) { return fmt.Sprint(step, "-", i), i < 6*(50-step)*(50-step) },
		"decimals":  func(step, i int) (string, bool) { return fmt.Sprintf("%d.%03d", step, i), i < 900 },
	} {
		t.Run(name, func(t *testing.T) {
			var r distinctRing
			most := 0
			for step := range 50 {
				b := step % 30
				r.forget(b)
				for i := 0; ; i++ {
					v, more := value(step, i)
					if !more {
						break
					}
					r.add(v, b)
				}
				most = max(most, len(r.d.Values))
				if step%4 != 1 {
					continue
				}
				// The whole window, the older half, and the last bucket alone.
				for _, mask := range []uint64{whole, whole & (0x3fff << b), 1 << b} {
					want, got := r.exact(mask), r.d.count(mask)
					if want <= 512 && got != want || math.Abs(got-want) > 0.05*want {
						t.Fatalf("step %d: %v values, want %v", step, got, want)
					}
				}
			}
			if most > maxDistinctKept {
				t.Errorf("%d values are kept", most)
			}
			for b := range 30 {
				r.forget(b)
			}
			if len(r.d.Values) != 0 || r.d.count(whole) != 0 || cap(r.d.Values) > 16 {
				t.Errorf("%d values of %d after all buckets are gone", len(r.d.Values), cap(r.d.Values))
			}
		})
	}
}

func TestSketchOfExtremes(t *testing.T) {
	var m merged
	for _, v := range []float64{0, -3, 1e-9, 1e30, -1e30, 250, math.MaxFloat64} {
		var s sketch
		m.add(s.add(v))
		if got := m.quantile(0.5); math.Abs(v) < 1e28 && math.Abs(got-v) > 0.005*math.Abs(v)+1e-6 {
			t.Errorf("%v reads as %v", v, got)
		}
	}
	var s sketch
	for range 200_000 {
		s = s.add(42)
	}
	if m.add(s); m.n != 200_000 || len(s) != 4 {
		t.Errorf("%d values in %d cells", m.n, len(s))
	}
}
