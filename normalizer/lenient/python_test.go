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
	} {
		if v, err := ParsePython(in); err == nil {
			t.Errorf("%s: %v", name, v.v)
		}
	}
}

// What is nested as deep as the bound is read, one level more is refused, whatever it is
// nested in. A reader without the bound would take both.
func TestPythonDepth(t *testing.T) {
	for name, level := range map[string][2]string{
		"list": {"[", "]"}, "tuple": {"(", ",)"}, "dictionary": {"{'a': ", "}"}, "list of two": {"[1, ", "]"}, "spaces": {" [ ", " ] "},
	} {
		for _, inner := range []string{"1", "''", "None"} {
			nested := func(n int) string { return strings.Repeat(level[0], n) + inner + strings.Repeat(level[1], n) }
			if _, err := ParsePython(nested(maxDepth)); err != nil {
				t.Errorf("%s of %s, %d deep: %v", name, inner, maxDepth, err)
			}
			for _, n := range []int{maxDepth + 1, maxDepth + 2, 100_000} {
				if _, err := ParsePython(nested(n)); err == nil || !strings.Contains(err.Error(), "nested deeper") {
					t.Errorf("%s of %s, %d deep: %v", name, inner, n, err)
				}
			}
		}
	}
	for _, empty := range []string{"[]", "()", "{}"} {
		if _, err := ParsePython(strings.Repeat("[", maxDepth-1) + empty + strings.Repeat("]", maxDepth-1)); err != nil {
			t.Errorf("%s at the bound: %v", empty, err)
		}
		if _, err := ParsePython(strings.Repeat("[", maxDepth) + empty + strings.Repeat("]", maxDepth)); err == nil {
			t.Errorf("%s below the bound is read", empty)
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
