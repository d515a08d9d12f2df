package normalizer

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
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

// rawOf is an object's members less those named and the private ones. More
// members, such as those of an envelope, are added where the name is free.
func rawOf(n node, without []string, more map[string]node) map[string]any {
	raw := make(map[string]any, len(more)+8)
	for name, m := range n.members() {
		if !slices.Contains(without, name) && !private(name) {
			raw[name] = m.value()
		}
	}
	for name, m := range more {
		if _, taken := raw[name]; !taken && !m.isNull() {
			raw[name] = m.value()
		}
	}
	return raw
}

// boundRaw drops the largest members until raw fits, and gives numbers the type
// that rules compare. A provider's mapping has already taken out what is bulky.
func boundRaw(raw map[string]any) map[string]any {
	if raw == nil {
		return nil
	}
	bounded := make(map[string]any, len(raw))
	for name, v := range raw {
		bounded[name] = plain(v)
	}
	if atMost(bounded) <= maxRaw {
		return bounded
	}
	sizes := make(map[string]int, len(raw))
	total := 2
	for name, v := range bounded {
		text, err := json.Marshal(map[string]any{name: v})
		if err != nil {
			delete(bounded, name)
			continue
		}
		sizes[name] = len(text) - 1
		total += sizes[name]
	}
	if total <= maxRaw {
		return bounded
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
		delete(bounded, largest)
	}
	return bounded
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

// plain copies a decoded value without its private members. Numbers become
// float64, as they are after any JSON round trip; integers that would lose
// digits become texts.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, member := range v {
			if !private(name) {
				m[name] = plain(member)
			}
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = plain(v[i])
		}
		return l
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil && (i > 1<<53 || i < -(1<<53)) {
			return v.String()
		}
		f, err := strconv.ParseFloat(v.String(), 64)
		if err != nil || math.IsInf(f, 0) {
			return v.String()
		}
		return f
	default:
		return v
	}
}
