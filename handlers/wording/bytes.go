package wording

import "strconv"

// Bytes is a size in units of 1,000, as disks and the setting `retention.disk` count:
// "999 B", "1.5 kB", "20.0 GB".
func Bytes(n uint64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'f', min(1, len(unit)-1), 64) + " " + unit
}
