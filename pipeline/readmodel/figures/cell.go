// Package figures adds up calls: how many there are, how many are bad, and how their
// MOS, loss and other measures are distributed. It is arithmetic on rows of calls and
// imports no database: the read model stores its cells and reads them back.
package figures

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"callwatch/handlers/backend"
)

// badMOS is the MOS below which a call counts as bad.
const badMOS = 3.5

// The distributions of a cell.
const (
	ofMOS = iota
	ofLoss
	ofJitter
	ofTurn
	ofDuration
	distributions
)

// The counters of a cell.
const (
	countCalls = iota
	countEnded
	countAnswered
	countAnsweredKnown
	countFailed
	countFailedKnown
	countBad
	countBadKnown
	countBadOf
	countIncident
	counters
)

// Cell is the figures of a set of calls as sums of whole numbers: adding a call and
// taking it away again leaves what was there, bit for bit.
type Cell struct {
	counts [counters]int64
	sums   [distributions]int64     // in thousandths
	bins   [distributions]histogram // calls by binOf
	costs  map[string]costSum       // by currency
}

// histogram counts by bin. Its bins lie close together: most counts are not 0.
type histogram struct {
	first  int32 // bin of counts[0]
	counts []int64
}

// add counts n in a bin.
func (h *histogram) add(bin int32, n int64) {
	if len(h.counts) == 0 {
		h.first = bin
	}
	if bin < h.first {
		h.counts, h.first = append(make([]int64, h.first-bin), h.counts...), bin
	}
	i := int(bin - h.first)
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]int64, i+1-len(h.counts))...)
	}
	h.counts[i] += n
}

// each hands in the bins that are not empty, in their order.
func (h *histogram) each(fn func(bin int32, n int64)) {
	bin := h.first
	for _, n := range h.counts {
		if n != 0 {
			fn(bin, n)
		}
		bin++
	}
}

type costSum struct{ sum, calls int64 } // sum in millionths

// binWidth is the ratio of two neighbouring bins: a quantile is at most 2 % off.
var binWidth = math.Log(1.04)

// leastBin is the bin of 0 and of everything too small to matter, mostBin that of
// mostSummed.
const (
	leastBin = -200
	mostBin  = 529
)

// binOf is the bin of a number that is not negative.
func binOf(v float64) int32 {
	if v < 0.001 {
		return leastBin
	}
	return int32(math.Round(math.Log(v) / binWidth)) //nolint:gosec // at most mostBin
}

// inBin is the number that represents a bin.
func inBin(bin int32) float64 {
	if bin == leastBin {
		return 0
	}
	return math.Exp(float64(bin) * binWidth)
}

// mostSummed bounds a number that is added up, so that no sum overflows.
const mostSummed = 1e9

// Share is what one call adds to each of its cells.
type Share struct {
	counts   [counters]int64
	known    [distributions]bool
	sums     [distributions]int64
	bins     [distributions]int32
	priced   bool
	currency string
	cost     int64
}

// ShareOf is what a call adds.
func ShareOf(row *backend.CallRow) (s Share) {
	e := &row.Call
	count := func(i int, holds bool) {
		if holds {
			s.counts[i] = 1
		}
	}
	count(countCalls, true)
	count(countEnded, !e.EndedAt.IsZero() || e.Final)
	count(countAnswered, e.Answered != nil && *e.Answered)
	count(countAnsweredKnown, e.Answered != nil)
	count(countFailed, e.Status == "failed")
	count(countFailedKnown, e.Status != "" && e.Status != "in-progress")
	asked := e.Answered == nil || *e.Answered
	count(countBadOf, asked)
	count(countBadKnown, asked && e.MOS != nil)
	count(countBad, asked && e.MOS != nil && *e.MOS < badMOS)
	count(countIncident, len(row.Incidents) > 0)
	for i, v := range [distributions]*float64{e.MOS, e.PacketLossPct, e.JitterMs, e.TurnLatencyMs, e.DurationSec} {
		if v != nil && *v >= 0 { // NaN is not
			s.known[i], s.sums[i], s.bins[i] = true, int64(math.Round(min(*v, mostSummed)*1000)), binOf(min(*v, mostSummed))
		}
	}
	if e.Cost != nil && *e.Cost >= 0 {
		s.priced, s.currency, s.cost = true, e.CostCurrency, int64(math.Round(min(*e.Cost, mostSummed)*1e6))
	}
	return s
}

// Add counts a call n times; -1 takes it away.
func (c *Cell) Add(s *Share, n int64) {
	for i, v := range s.counts {
		c.counts[i] += n * v
	}
	for i, known := range s.known {
		if known {
			c.sums[i] += n * s.sums[i]
			c.bins[i].add(s.bins[i], n)
		}
	}
	if s.priced {
		c.cost(s.currency, costSum{n * s.cost, n})
	}
}

func (c *Cell) cost(currency string, s costSum) {
	if c.costs == nil {
		c.costs = map[string]costSum{}
	}
	had := c.costs[currency]
	had.sum, had.calls = had.sum+s.sum, had.calls+s.calls
	if c.costs[currency] = had; had == (costSum{}) {
		delete(c.costs, currency)
	}
}

// Merge adds the figures of other calls.
func (c *Cell) Merge(o *Cell) {
	for i, n := range o.counts {
		c.counts[i] += n
	}
	for i := range distributions {
		c.sums[i] += o.sums[i]
		o.bins[i].each(c.bins[i].add)
	}
	for currency, s := range o.costs {
		c.cost(currency, s)
	}
}

// Empty reports whether no call is left.
func (c *Cell) Empty() bool {
	return c.counts == [counters]int64{} && len(c.costs) == 0
}

// Zero reports whether adding the cell changes nothing.
func (c *Cell) Zero() bool {
	for i := range distributions {
		if c.sums[i] != 0 || slices.ContainsFunc(c.bins[i].counts, func(n int64) bool { return n != 0 }) {
			return false
		}
	}
	return c.Empty()
}

// Pack is the stored form of a cell: the same for the same figures.
func (c *Cell) Pack() []byte {
	var b []byte
	for _, n := range c.counts {
		b = binary.AppendVarint(b, n)
	}
	for i := range distributions {
		b = binary.AppendVarint(b, c.sums[i])
		filled, before := uint64(0), int32(0)
		c.bins[i].each(func(int32, int64) { filled++ })
		b = binary.AppendUvarint(b, filled)
		c.bins[i].each(func(bin int32, n int64) {
			b = binary.AppendVarint(b, int64(bin-before))
			b = binary.AppendVarint(b, n)
			before = bin
		})
	}
	b = binary.AppendUvarint(b, uint64(len(c.costs)))
	for _, currency := range slices.Sorted(maps.Keys(c.costs)) {
		b = binary.AppendUvarint(b, uint64(len(currency)))
		b = append(b, currency...)
		b = binary.AppendVarint(b, c.costs[currency].sum)
		b = binary.AppendVarint(b, c.costs[currency].calls)
	}
	return b
}

// ErrUnreadable says that packed figures are damaged.
var ErrUnreadable = errors.New("figures of an hour cannot be read")

// MergePacked adds what Pack made, or of it the counts.
func (c *Cell) MergePacked(b []byte, countsOnly bool) error {
	failed := false
	signed := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			failed, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	length := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > uint64(len(b)) {
			failed, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	for i := range c.counts {
		c.counts[i] += signed()
	}
	if countsOnly && !failed {
		return nil
	}
	for i := range distributions {
		c.sums[i] += signed()
		bin := int64(0)
		for n := length(); n > 0 && !failed; n-- {
			if bin += signed(); bin < leastBin || bin > mostBin {
				return ErrUnreadable
			}
			c.bins[i].add(int32(bin), signed())
		}
	}
	for n := length(); n > 0 && !failed; n-- {
		size := length()
		if size > uint64(len(b)) {
			return ErrUnreadable
		}
		currency := string(b[:size])
		b = b[size:]
		sum := signed()
		c.cost(currency, costSum{sum, signed()})
	}
	if failed || len(b) > 0 {
		return ErrUnreadable
	}
	return nil
}

// Figures are the figures as they are shown.
func (c *Cell) Figures() backend.Figures {
	n := &c.counts
	f := backend.Figures{
		Calls: n[countCalls], Ended: n[countEnded], Incidents: n[countIncident],
		Answered: rate(n[countAnswered], n[countAnsweredKnown], n[countCalls]),
		Failed:   rate(n[countFailed], n[countFailedKnown], n[countCalls]),
		Bad:      rate(n[countBad], n[countBadKnown], n[countBadOf]),
		MOS:      c.distribution(ofMOS), LossPct: c.distribution(ofLoss), JitterMs: c.distribution(ofJitter),
		TurnMs: c.distribution(ofTurn), Duration: c.distribution(ofDuration),
	}
	for currency, s := range c.costs {
		f.Costs = append(f.Costs, backend.Cost{Currency: currency, Sum: float64(s.sum) / 1e6, Known: s.calls})
	}
	slices.SortFunc(f.Costs, func(a, b backend.Cost) int { return cmp.Compare(a.Currency, b.Currency) })
	return f
}

// rate is a share as in rules: of the calls of which it is known.
func rate(holds, known, of int64) backend.Rate {
	r := backend.Rate{True: holds, Known: known, Of: of}
	if known > 0 {
		r.OfKnown = new(float64(holds) / float64(known))
		r.Low, r.High = r.OfKnown, r.OfKnown
	}
	return r
}

func (c *Cell) distribution(i int) backend.Distribution {
	var d backend.Distribution
	c.bins[i].each(func(_ int32, n int64) { d.Known += n })
	if d.Known <= 0 {
		return backend.Distribution{}
	}
	d.Mean = new(float64(c.sums[i]) / 1000 / float64(d.Known))
	quantile := func(q float64) (at *float64) {
		want, seen := int64(math.Ceil(q*float64(d.Known))), int64(0)
		c.bins[i].each(func(bin int32, n int64) {
			if seen += n; seen >= want && at == nil {
				at = new(inBin(bin))
			}
		})
		return at
	}
	d.P5, d.Median, d.P95 = quantile(0.05), quantile(0.5), quantile(0.95)
	return d
}

// maxValue bounds the value of a dimension in bytes.
const maxValue = 200

// Values are the values of a call in all of backend.Dimensions, "" where unknown and
// for the provider.
func Values(row *backend.CallRow) [7]string {
	e := &row.Call
	agent, country := cmp.Or(e.AgentName, e.AgentID), cmp.Or(e.ToCountry, e.FromCountry)
	if e.Direction == "inbound" {
		country = cmp.Or(e.FromCountry, e.ToCountry)
	}
	values := [7]string{"", e.Account, e.Region, agent, e.Direction, e.Codec, country}
	for i := range values {
		values[i] = values[i][:min(len(values[i]), maxValue)]
	}
	return values
}

// HourOf is the hour of a time since the Unix epoch.
func HourOf(t time.Time) int64 {
	return floorDiv(t.Unix(), 3600)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Fields are the fields of a call that figures and dimensions are computed from.
func Fields() []string {
	return []string{
		"provider", "account", "region", "agentName", "agentId", "direction", "codec", "fromCountry", "toCountry", "final", "endedAt", "answered", "status",
		"mos", "packetLossPct", "jitterMs", "turnLatencyMs", "durationSec", "cost", "costCurrency",
	}
}
