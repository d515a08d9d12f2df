package emodel

// MOS is the mean opinion score, 1..4.5, of a transmission rating: G.107 Annex B
// with R clamped to 0..100 before (the polynomial rises again below 0) and the
// score floored at 1 (it dips below 1 for R under 6.5).
func MOS(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	default:
		return max(1, polynomial(r))
	}
}

func polynomial(r float64) float64 {
	return 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
}

// clampR brings a rating to 0..100.
func clampR(r float64) float64 { return min(max(r, 0), 100) }
