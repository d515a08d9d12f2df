package normalizer

import "encoding/json"

// maxRaw bounds the JSON size of Event.Raw in bytes.
const maxRaw = 16 << 10

// boundRaw drops the largest members until raw fits. A provider's mapping has
// already taken out what is bulky or private.
func boundRaw(raw map[string]any) map[string]any {
	sizes := map[string]int{}
	total := 2
	for k, v := range raw {
		b, err := json.Marshal(v)
		if err != nil {
			b = nil
		}
		sizes[k] = len(b) + len(k) + 4
		total += sizes[k]
	}
	for total > maxRaw {
		largest := ""
		for k, n := range sizes {
			if largest == "" || n > sizes[largest] || n == sizes[largest] && k < largest {
				largest = k
			}
		}
		total -= sizes[largest]
		delete(sizes, largest)
		delete(raw, largest)
	}
	return raw
}
