package simulate

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
)

// Rand is a seeded source of the values that calls are made of.
type Rand struct{ *rand.Rand }

func NewRand(seed, stream uint64) Rand { return Rand{rand.New(rand.NewPCG(seed, stream))} }

// Between is uniform in lo..hi.
func (c Rand) Between(lo, hi float64) float64 { return lo + (hi-lo)*c.Float64() }

func (c Rand) Odds(p float64) bool { return c.Float64() < p }

func (c Rand) Pick(of ...string) string { return of[c.IntN(len(of))] }

func (c Rand) Bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.UintN(256))
	}
	return b
}

func (c Rand) Hex(n int) string { return hex.EncodeToString(c.Bytes((n + 1) / 2))[:n] }

func (c Rand) UUID() string {
	b := c.Bytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (c Rand) Digits(n int) string { return fmt.Sprintf("%0*d", n, c.Int64N(int64(math.Pow10(n)))) }

// number is a telephone number of a range that is reserved for fiction.
func (c Rand) number() string {
	switch c.IntN(10) {
	case 0:
		return fmt.Sprintf("+44207946%04d", c.IntN(1000)) // London
	case 1:
		return fmt.Sprintf("+493023125%03d", c.IntN(1000)) // Berlin
	case 2:
		return fmt.Sprintf("+3319900%04d", c.IntN(10000)) // Paris
	default:
		return fmt.Sprintf("+1%s55501%02d", c.Pick("202", "212", "312", "415", "617", "720"), c.IntN(100))
	}
}

// rotation gives its items again and again: first in their order, then shuffled, so
// that each comes up as often as the others.
type rotation[T any] struct {
	Rand
	items []T
	taken int
}

func (d *rotation[T]) next() T {
	i := d.taken % len(d.items)
	if i == 0 && d.taken > 0 {
		d.Shuffle(len(d.items), func(i, j int) { d.items[i], d.items[j] = d.items[j], d.items[i] })
	}
	d.taken++
	return d.items[i]
}
