package casefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expect is what one JSON object must be like. Names are paths, as
// intervals.0.packetsLost.
type Expect struct {
	Match  map[string]any           `json:"match"`  // equal; times by the moment they name
	Approx map[string][]json.Number `json:"approx"` // value and tolerance
	Absent []string                 `json:"absent"`
	Not    map[string][]any         `json:"not"` // none of these values
}

// Check returns what the object, in JSON, is not like.
func (e *Expect) Check(object []byte) []string {
	var got any
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		return []string{err.Error()}
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, path := range slices.Sorted(maps.Keys(e.Match)) {
		if v, ok := at(got, path); !ok || !equal(v, e.Match[path]) {
			fault("%s is %v, want %v", path, shown(v, ok), e.Match[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.Approx)) {
		v, ok := at(got, path)
		number, isNumber := asNumber(v)
		want := e.Approx[path]
		if len(want) != 2 {
			fault("%s: approx wants [value, tolerance]", path)
			continue
		}
		value, _ := want[0].Float64()
		tolerance, _ := want[1].Float64()
		if !isNumber || math.Abs(number-value) > tolerance {
			fault("%s is %v, want %v within %v", path, shown(v, ok), value, tolerance)
		}
	}
	for _, path := range e.Absent {
		if v, ok := at(got, path); ok && v != nil {
			fault("%s is %v, want it absent", path, v)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.Not)) {
		for _, forbidden := range e.Not[path] {
			if v, ok := at(got, path); ok && equal(v, forbidden) {
				fault("%s is %v, which it must not be", path, v)
			}
		}
	}
	return faults
}

func shown(v any, ok bool) any {
	if !ok {
		return "absent"
	}
	return v
}

// at follows a path through objects and lists.
func at(v any, path string) (any, bool) {
	for part := range strings.SplitSeq(path, ".") {
		switch within := v.(type) {
		case map[string]any:
			next, ok := within[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(within) {
				return nil, false
			}
			v = within[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func equal(got, want any) bool {
	if g, ok := asNumber(got); ok {
		w, ok := asNumber(want)
		return ok && math.Abs(g-w) <= 1e-9*max(1, math.Abs(w))
	}
	if g, ok := asTime(got); ok {
		w, ok := asTime(want)
		return ok && g.Equal(w)
	}
	return reflect.DeepEqual(got, want)
}

func asNumber(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func asTime(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}
