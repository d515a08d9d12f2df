package figures

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"callwatch/handlers/backend"
)

func randomRow(r *rand.Rand) (row backend.CallRow) {
	number := func(most float64) *float64 {
		if r.IntN(3) == 0 {
			return nil
		}
		return new(most * r.Float64())
	}
	text := func(of ...string) string { return of[r.IntN(len(of))] }
	e := &row.Call
	e.Status, e.CostCurrency = text("", "completed", "failed", "busy", "in-progress"), text("", "USD", "EUR")
	e.MOS, e.PacketLossPct, e.JitterMs, e.TurnLatencyMs, e.DurationSec, e.Cost = number(5), number(10), number(50), number(3000), number(500), number(1)
	if r.IntN(2) == 0 {
		e.Answered = new(r.IntN(2) == 0)
	}
	if e.Final = r.IntN(4) == 0; r.IntN(2) == 0 {
		e.EndedAt = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	if r.IntN(3) == 0 {
		row.Incidents = []string{"inc"}
	}
	return row
}

// A cell is packed and read back, and cells cancel out.
func TestCells(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	var rows []backend.CallRow
	for range 300 {
		rows = append(rows, randomRow(r))
	}
	var all, packed Cell
	for i := range rows {
		one := ShareOf(&rows[i])
		all.Add(&one, 1)
	}
	if err := packed.MergePacked(all.Pack(), false); err != nil || string(packed.Pack()) != string(all.Pack()) {
		t.Errorf("packed differs: %v", err)
	}
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for i := range rows {
		one := ShareOf(&rows[i])
		packed.Add(&one, -1)
	}
	if !packed.Zero() {
		t.Errorf("something is left: %+v", packed)
	}
	data := all.Pack()
	for range 2000 { // whatever is stored, reading it ends
		damaged := slices.Clone(data[:r.IntN(len(data)+1)])
		if len(damaged) > 0 {
			damaged[r.IntN(len(damaged))] ^= byte(1 + r.IntN(255))
		}
		var c Cell
		_ = c.MergePacked(damaged, false)
	}
}
