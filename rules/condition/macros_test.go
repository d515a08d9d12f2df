package condition

import (
	"fmt"
	"strings"
	"testing"
)

// Macros that grow when they are expanded, chains, rings and cliques are refused
// by what they are, without expanding them.
func TestMacrosAreBounded(t *testing.T) {
	ring := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("m%d", i)] = fmt.Sprintf("mos < 3 or m%d", (i+1)%n)
		}
		return m
	}
	clique := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			var all []string
			for j := range n {
				all = append(all, fmt.Sprintf("m%d", j))
			}
			m[fmt.Sprintf("m%d", i)] = strings.Join(all, " or ")
		}
		return m
	}
	doubling := func(n int, first string) map[string]string {
		m := map[string]string{"m0": first}
		for i := 1; i < n; i++ {
			m[fmt.Sprintf("m%d", i)] = fmt.Sprintf("m%d or m%[1]d", i-1)
		}
		return m
	}
	chain := func(n int) map[string]string {
		m := map[string]string{"m0": "mos < 3"}
		for i := 1; i < n; i++ {
			m[fmt.Sprintf("m%d", i)] = fmt.Sprintf("m%d", i-1)
		}
		return m
	}
	pattern := `from matches "` + strings.Repeat("(?:ab){900}", 300) + `"`
	for name, c := range map[string]struct {
		macros map[string]string
		use    string
		want   Code
	}{
		"doubling":           {doubling(40, "mos < 3"), "m39", CodeTooComplex},
		"doubling a problem": {doubling(40, "moss < 3"), "m39", CodeBrokenMacro},
		"doubling an error":  {doubling(40, "mos <"), "m39", CodeBrokenMacro},
		"ring":               {ring(400), "m7", CodeMacroCycle},
		"itself":             {ring(1), "m0", CodeMacroCycle},
		"clique":             {clique(30), "m3", CodeMacroCycle},
		"chain":              {chain(1000), "m999", CodeTooComplex},
		"pattern":            {map[string]string{"m": pattern}, "m", CodeBrokenMacro},
	} {
		t.Run(name, func(t *testing.T) {
			env := Env{Macros: c.macros}.Compiled()
			found := env.Check()
			for range 1000 { // as many rules use them
				p, problems := Compile(c.use, env)
				if p != nil || len(problems) != 1 || problems[0].Code != c.want {
					t.Fatalf("%v, want %s", problems, c.want)
				}
			}
			if len(found) == 0 {
				t.Error("Check found nothing")
			}
			for _, problems := range found {
				if n := len(problems[0].Message); n > 500 {
					t.Errorf("a message of %d bytes", n)
				}
			}
		})
	}
}

// A chain of macros as deep as they may be still works, and shows its names.
func TestNestedMacros(t *testing.T) {
	m := map[string]string{"m0": "mos < 3"}
	for i := 1; i < maxMacroDepth; i++ {
		m[fmt.Sprintf("m%d", i)] = fmt.Sprintf("m%d", i-1)
	}
	p, problems := Compile(fmt.Sprintf("m%d and not m3", maxMacroDepth-1), Env{Macros: m})
	if p == nil {
		t.Fatal(problems)
	}
}
