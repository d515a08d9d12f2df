package normalizer

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"callwatch/normalizer/lenient"
)

// maxRaw bounds the JSON size of Event.Raw in bytes.
const maxRaw = 16 << 10

// private are members that never reach Event.Raw, at whatever depth: session
// descriptions, credentials and what was said.
func private(member string) bool {
	switch member {
	case "sdp", "transcript", "transcription", "credential", "password", "token", "login_token", "secret", "jwt":
		return true
	}
	return false
}

// RawOf is an object's members less those named and the private ones. More
// members, such as those of an envelope, are added where the name is free.
func RawOf(n lenient.Node, without []string, more map[string]lenient.Node) map[string]any {
	raw := make(map[string]any, len(more)+8)
	for name, m := range n.Members() {
		if !slices.Contains(without, name) && !private(name) {
			raw[name] = m.Value()
		}
	}
	for name, m := range more {
		if _, taken := raw[name]; !taken && !m.IsNull() {
			raw[name] = m.Value()
		}
	}
	return raw
}

// boundRaw drops the largest members until raw fits, and gives numbers the type
// that rules compare. A provider's mapping has already taken out what is bulky.
// It changes raw and what is in it: nobody reads the body after that.
func boundRaw(raw map[string]any) {
	for name, v := range raw {
		if p, changed := plain(v); changed {
			raw[name] = p
		}
	}
	if atMost(raw) <= maxRaw {
		return
	}
	sizes := make(map[string]int, len(raw))
	total := 2
	for name, v := range raw {
		text, err := json.Marshal(map[string]any{name: v})
		if err != nil {
			delete(raw, name)
			continue
		}
		sizes[name] = len(text) - 1
		total += sizes[name]
	}
	if total <= maxRaw {
		return
	}
	bySize := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		if sizes[a] != sizes[b] {
			return sizes[b] - sizes[a]
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	for _, largest := range bySize {
		if total <= maxRaw {
			break
		}
		total -= sizes[largest]
		delete(raw, largest)
	}
}

// atMost is a size in bytes that the JSON of a decoded value does not exceed,
// however its texts are escaped.
func atMost(v any) int {
	const escaped, number = 6, 25 // \u0000; the longest float64 and its comma
	switch v := v.(type) {
	case string:
		return escaped*len(v) + 3
	case map[string]any:
		size := 3
		for name, member := range v {
			size += escaped*len(name) + 3 + atMost(member)
		}
		return size
	case []any:
		size := 3
		for i := range v {
			size += atMost(v[i])
		}
		return size
	case nil, bool, float64:
		return number
	default:
		return maxRaw + 1 // of a kind that only its JSON can tell
	}
}

// plain is a decoded value with numbers as float64, as they are after any JSON
// round trip, or as texts where an integer would lose digits. Objects and lists
// are changed where they are, and objects lose their private members; changed
// is false for what is the same value as before.
func plain(v any) (_ any, changed bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if private(name) {
				delete(v, name)
			} else if p, changed := plain(member); changed {
				v[name] = p
			}
		}
	case []any:
		for i := range v {
			if p, changed := plain(v[i]); changed {
				v[i] = p
			}
		}
	case json.Number:
		return plainNumber(v.String()), true
	}
	return v, false
}

func plainNumber(digits string) any {
	const exact = 15 // digits of an integer that any float64 keeps
	if len(digits) > exact {
		if i, err := strconv.ParseInt(digits, 10, 64); err == nil && (i > 1<<53 || i < -(1<<53)) {
			return digits
		}
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsInf(f, 0) {
		return digits
	}
	return f
}
