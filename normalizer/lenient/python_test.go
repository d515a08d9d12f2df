package lenient

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePython(t *testing.T) {
	tests := map[string]struct {
		in   string
		want any
	}{
		"nested":             {`{'a': {"b": [1, -2.5, (True, None,)]}, }`, map[string]any{"a": map[string]any{"b": []any{json.Number("1"), json.Number("-2.5"), []any{true, nil}}}}},
		"escapes":            {`'it\'s \u00e9 \x41 \n\\ \q'`, "it's é A \n\\ \\q"},
		"quotes in quotes":   {`"it's"`, "it's"},
		"empty":              {`{}`, map[string]any{}},
		"astral":             {`'\U0001f4de'`, "📞"},
		"beyond Unicode":     {`'\Uffffffff'`, "\uFFFD"},
		"words of JSON":      {`[true, false, null]`, []any{true, false, nil}},
		"white space around": {" \n[ ]\t", []any{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePython(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.v); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParsePythonRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"call":            `__import__('os')`,
		"comprehension":   `[x for x in y]`,
		"arithmetic":      `1+1`,
		"key not a text":  `{1: 2}`,
		"open dictionary": `{'a': 1`,
		"open text":       `'a`,
		"open escape":     `'\u12`,
		"bad escape":      `'\xzz'`,
		"two values":      `1 2`,
		"nothing":         ``,
		"not a number":    `nan`,
		"too deep":        strings.Repeat("[", maxDepth+2),
	} {
		if v, err := ParsePython(in); err == nil {
			t.Errorf("%s: %v", name, v.v)
		}
	}
}

func FuzzParsePython(f *testing.F) {
	f.Add(`{'call_id': 'x', "n": [1, None, (True,)], 'e': '\u00e9\'"'}`)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParsePython(s)
		if err != nil {
			return
		}
		if _, err := json.Marshal(n.v); err != nil {
			t.Fatalf("%q gives what is no JSON: %v", s, err)
		}
	})
}
