package window

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
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
				ring[i*(buckets+1)/n].add(v, i < maxExact)
			}
			slices.Sort(all)
			for _, p := range []string{"p7", "p50", "p90", "p95", "p99", "p99.9"} {
				var m merged
				for i := range ring {
					m.add(&ring[i])
				}
				q := percentile(p)
				want := all[int(math.Ceil(q*n-1e-9))-1]
				if got := m.quantile(q); math.Abs(got-want) > 0.00500001*math.Abs(want) {
					t.Errorf("%s over %d buckets: %s is %v, want %v", name, buckets+1, p, got, want)
				}
			}
			for _, s := range ring {
				if len(s.cells) > 2*maxSize+n/maxCell || len(s.values) > maxExact {
					t.Errorf("%s: %d cells, %d values", name, len(s.cells), len(s.values))
				}
			}
		}
	}
}

// distinctRing is a ring of exact sets beside the one under test: the buckets in which
// each value was seen.
type distinctRing struct {
	d    distinctValues
	seen map[int]uint64
}

func (r *distinctRing) add(value, bucket int) {
	r.seen[value] |= 1 << bucket
	r.d.add(strconv.Itoa(value), bucket)
}

func (r *distinctRing) forget(bucket int) {
	for v, seen := range r.seen {
		if seen &^= 1 << bucket; seen == 0 {
			delete(r.seen, v)
		} else {
			r.seen[v] = seen
		}
	}
	r.d.forget(bucket)
}

func (r *distinctRing) exact(mask uint64) float64 {
	n := 0
	for _, seen := range r.seen {
		if seen&mask != 0 {
			n++
		}
	}
	return float64(n)
}

// Distinct values are exact up to 512 and within 5 % beyond, in every window of
// a ring: with bursts, with values that come again, and once a burst is over.
func TestDistinctOfAdversarialOrders(t *testing.T) {
	const ring, whole = 6, 1<<6 - 1
	own := func(step, i int) int { return step*100_000 + i }
	again := func(_, i int) int { return i }
	for name, c := range map[string]struct {
		value func(step, i int) int
		calls func(step int) int
	}{
		"steady":         {own, func(int) int { return 50 }},
		"the same again": {again, func(int) int { return 512 }},
		"one too many":   {again, func(int) int { return 513 }},
		"at the limit":   {own, func(int) int { return 512 }},
		"many again":     {again, func(int) int { return 3000 }},
		"descending":     {func(step, i int) int { return own(step, 3000-i) }, func(int) int { return 3000 }},
		"one burst":      {own, func(step int) int { return 10 + step/5%2*8000 }},
		"burst and many": {own, func(step int) int { return 900 + step/5%2*8000 }},
		"within another": {again, func(step int) int { return 300 + step%3*400 }},
		"growing":        {own, func(step int) int { return 20 * step * step }},
		"equal":          {func(int, int) int { return 7 }, func(int) int { return 3000 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := distinctRing{seen: map[int]uint64{}}
			inexact := 0
			for step := range 2 * ring {
				b := step % ring
				r.forget(b)
				for i := range c.calls(step) {
					r.add(c.value(step, i), b)
				}
				// The whole window, half of it, and the last bucket alone.
				for _, mask := range []uint64{whole, whole & (7 << b), 1 << b} {
					want, got := r.exact(mask), r.d.count(mask)
					if want <= maxExact && got != want || math.Abs(got-want) > 0.05*want {
						t.Fatalf("step %d: %v values, want %v", step, got, want)
					}
					if got != want {
						inexact++
					}
				}
				if !r.d.fits(ring) || len(r.d.Values) > maxExact*ring {
					t.Fatalf("step %d: %d values are kept", step, len(r.d.Values))
				}
				if step%4 != 0 {
					continue
				}
				var read distinctValues
				if text, err := json.Marshal(&r.d); err != nil || json.Unmarshal(text, &read) != nil || !read.fits(ring) || read.count(whole) != r.d.count(whole) {
					t.Fatalf("step %d: not the same in a checkpoint: %v", step, err)
				}
			}
			if inexact == 0 != (name == "steady" || name == "the same again" || name == "at the limit" || name == "equal") {
				t.Errorf("%d estimates differ from the number", inexact)
			}
			for b := range ring {
				r.forget(b)
			}
			if len(r.d.Values) != 0 || r.d.count(whole) != 0 || cap(r.d.Values) > 16 {
				t.Errorf("%d values of %d after all buckets are gone", len(r.d.Values), cap(r.d.Values))
			}
		})
	}
}

// Up to 512 values of a window the percentiles are values of it, whatever bucket holds
// them; a ring that had more is exact again once those are gone.
func TestPercentilesOfFewValuesAreExact(t *testing.T) {
	w := compile(t, "60s", "p50(rttMs) > 1 or p99(rttMs) > 1")
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 7, 511, 512, 513} {
		s, now := New(w, t0), t0
		for range 2000 { // a burst that has left
			s.Add(w, 0, now, now, []Reading{{known: true, number: rnd.Float64()}})
		}
		now = now.Add(2 * w.Over)
		var all []float64
		for i := range n {
			v := 500 + rnd.NormFloat64()
			all = append(all, v)
			at := now.Add(time.Duration(i%30) * 2 * time.Second)
			s.Add(w, 0, at, now.Add(59*time.Second), []Reading{{known: true, number: v}})
		}
		slices.Sort(all)
		var e Evaluation
		e.Evaluate(w, s)
		for i, q := range []float64{0.5, 0.99} {
			want := all[rank(q, n)-1]
			if got := e.Measures[i].Low; got != want != (n > maxExact) {
				t.Errorf("%d values: quantile %v is %v, want %v", n, q, got, want)
			}
		}
	}
}

// What is read back from a checkpoint may be damaged: it is refused, or it is a sketch.
func FuzzSketchOfCheckpoint(f *testing.F) {
	var exact, cells sketch
	for i := range 600 {
		cells.add(float64(i-5), true)
		if i < 10 {
			exact.add(float64(i-5), true)
		}
	}
	for _, s := range []sketch{{}, exact, cells} {
		text, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`"AP//AwE="`)) // a size that does not exist
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s sketch
		if json.Unmarshal(text, &s) != nil {
			return
		}
		again, err := json.Marshal(s)
		var same sketch
		if err != nil || json.Unmarshal(again, &same) != nil || !slices.Equal(s.cells, same.cells) || len(s.values) != len(same.values) {
			t.Fatalf("%q reads as %v, written as %q", text, s, again)
		}
		var m merged
		s.add(3, true)
		m.add(&s)
		if len(s.cells) == 0 && !slices.ContainsFunc(s.values, math.IsNaN) && math.IsNaN(m.quantile(0.5)) {
			t.Fatal("no quantile")
		}
	})
}

func TestSketchOfExtremes(t *testing.T) {
	var m merged
	for _, v := range []float64{0, -3, 1e-9, 1e30, -1e30, 250, math.MaxFloat64} {
		var s sketch
		s.add(v, false)
		m.add(&s)
		if got := m.quantile(0.5); math.Abs(v) < 1e28 && math.Abs(got-v) > 0.005*math.Abs(v)+1e-6 {
			t.Errorf("%v reads as %v", v, got)
		}
	}
	var s sketch
	for range 200_000 {
		s.add(42, true)
	}
	if m.add(&s); m.n != 200_000 || len(s.cells) != 4 {
		t.Errorf("%d values in %d cells", m.n, len(s.cells))
	}
}
