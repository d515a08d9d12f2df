package condition

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestWrongCountOfArguments: whichever function gets too few or too many arguments, the
// problem is at its name and says what it takes, with an example that is right.
func TestWrongCountOfArguments(t *testing.T) {
	t.Parallel()
	compiles := func(src string) bool {
		for _, whole := range []string{"%", "% > 0.5", "% > 2", `% == "x"`, "len(%) > 0", "%.jitterMs > 1", "startedAt > %"} {
			whole = strings.ReplaceAll(whole, "%", src)
			if p, _ := CompileWindow(whole, Env{}, &Figures{}); p != nil {
				return true
			}
			if p, _ := Compile(whole, Env{}); p != nil {
				return true
			}
		}
		return false
	}
	names := append(slices.Collect(maps.Keys(functions())), windowFunctions()...)
	for _, name := range append(names, "date") {
		f, ok := formOf(name)
		if !ok {
			t.Errorf("%s has no form", name)
			continue
		}
		for _, example := range f.examples {
			if !strings.Contains(example, name) || !compiles(example) {
				t.Errorf("%s: the example %s does not compile", name, example)
			}
		}
		for given := range 6 {
			if given >= f.least && given <= f.most {
				continue
			}
			src := "calls > 3 && " + name + "(" + strings.TrimSuffix(strings.Repeat(`"a(,", `, given), ", ") + ") > 1"
			p, problems := CompileWindow(src, Env{}, &Figures{})
			if p != nil || len(problems) == 0 {
				t.Errorf("%s is taken", src)
				continue
			}
			got := problems[0]
			if got.Code != CodeArguments || got.Line != 1 || got.Column != 14 || !strings.HasPrefix(got.Message, name+" takes "+f.takes) || !strings.Contains(got.Hint, f.examples[0]) {
				t.Errorf("%s: %+v", src, got)
			}
		}
	}
	for src, want := range map[string]string{
		"any(intervals, .mos < 3, 4)":            "any takes a list and a condition of its elements; here 3 arguments are given",
		"not any(intervals)":                     "any takes a list and a condition of its elements; here one argument is given",
		"mos < 3 && (any(\n\tintervals))":        "any takes",
		"len(filter(intervals)) > 3":             "filter takes",
		"any(intervals, max(.mos, 3) < 3, 4, 5)": "any takes a list and a condition of its elements; here 3 arguments are given",
		"any(intervals, .mos < 3":                "unexpected end",
		"any(intervals, .mos < 3 4)":             `unexpected "4"`,
		"(mos < 3, 4)":                           `unexpected ","`,
	} {
		if p, problems := Compile(src, Env{}); p != nil || len(problems) == 0 || !strings.HasPrefix(problems[0].Message, want) {
			t.Errorf("%s: %+v, want %s", src, problems, want)
		}
	}
}
