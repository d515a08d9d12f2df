package schedule

import "fmt"

// DaysNamed are the days as a calendar writes them, yearly ones of 2025 to 2027.
func (h *Holidays) DaysNamed() map[string]bool {
	named := map[string]bool{}
	if h == nil {
		return named
	}
	for d := range h.days {
		named[fmt.Sprintf("%04d%02d%02d", d.year, d.month, d.day)] = true
	}
	for d := range h.yearly {
		for y := 2025; y <= 2027; y++ {
			named[fmt.Sprintf("%04d%02d%02d", y, d.month, d.day)] = true
		}
	}
	return named
}
