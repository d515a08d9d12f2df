package lenient

import (
	"runtime"
	"strings"
	"testing"
)

// Who keeps a text, a number or a name of a body does not keep the body: calls are kept by the hundred
// thousand, by an id that came in a body of a few kilobytes.
func TestTextDoesNotKeepTheBody(t *testing.T) {
	const bodies, size = 64, 1 << 17
	long := strings.Repeat("callwatch ", size/10)
	for name, read := range map[string]func() (Node, error){
		"form": func() (Node, error) {
			return ParseForm([]byte("id=CA42&n=17&long=" + strings.ReplaceAll(long, " ", "-")))
		},
		"escaped form": func() (Node, error) {
			return ParseForm([]byte("id=CA%34%32&n=1%37&long=" + strings.ReplaceAll(long, " ", "+")))
		},
		"JSON": func() (Node, error) { return ParseJSON([]byte(`{"id": "CA42", "n": 17, "long": "` + long + `"}`)) },
		"odd JSON": func() (Node, error) {
			return ParseJSON([]byte(`{"\u0069d": "CA\u00342", "n": 17, "long": "` + long + `"}`))
		},
		"Python": func() (Node, error) { return ParsePython(`{'id': 'CA42', 'n': 17, 'long': '` + long + `'}`) },
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			var kept []string
			for range bodies {
				n, err := read()
				if err != nil {
					t.Fatal(err)
				}
				if n.At("id").Text() != "CA42" {
					t.Fatalf("id %q", n.At("id").Text())
				}
				kept = append(kept, n.At("id").Text(), n.At("n").Text())
				for name, m := range n.Members() {
					if v, ok := m.Value().(string); name != "long" && ok {
						kept = append(kept, name, v)
					}
				}
			}
			if grown := int64(heap()) - int64(before); grown > bodies*size/4 {
				t.Errorf("%d texts of %d bodies of 128 KB hold %d KB", len(kept), bodies, grown>>10)
			}
			runtime.KeepAlive(kept)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
