package call

import (
	"strings"
	"testing"
	"time"
)

// The documentation of intervals names all their members, so that the schema and
// the field reference do.
func TestIntervalsAreDocumented(t *testing.T) {
	f, _ := Lookup("intervals")
	_, list, _ := strings.Cut(f.Doc, ": ")
	var names []string
	for _, m := range Members() {
		names = append(names, m.Name)
	}
	if want := strings.Join(names, ", "); !sameWords(list, want) {
		t.Errorf("documented %s\nmembers    %s", list, want)
	}
}

func sameWords(a, b string) bool {
	words := map[string]int{}
	for _, w := range strings.Split(a, ", ") {
		words[w]++
	}
	for _, w := range strings.Split(b, ", ") {
		words[w]--
	}
	for _, n := range words {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestMembersRead(t *testing.T) {
	iv := Interval{Start: t0, End: t0.Add(time.Second), PacketsReceived: new(int64(50)), AudioLevel: new(0.25), Held: true}
	for _, m := range Members() {
		number, known := m.Number(&iv)
		switch m.Name {
		case "start":
			if !m.Time(&iv).Equal(t0) {
				t.Error(m.Time(&iv))
			}
		case "packetsReceived":
			if number != 50 || !known || m.Type != Integer {
				t.Error(number, known, m.Type)
			}
		case "audioLevel":
			if number != 0.25 || !known || m.Type != Number {
				t.Error(number, known, m.Type)
			}
		case "held":
			if !m.Truth(&iv) || m.Type != Bool {
				t.Error("held is not true")
			}
		default:
			if known {
				t.Errorf("%s: %v, want unknown", m.Name, number)
			}
		}
	}
}
