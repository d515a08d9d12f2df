package rulefmt

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile are files that must be read or refused at once: the first problem's
// code, "" for one that is fine.
func hostile() map[string]struct{ src, code string } {
	r := strings.Repeat
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	deep := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(r(" ", i) + "a:\n")
		}
		return b.String()
	}
	ring := func(n int) string {
		var b strings.Builder
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "  m%d: mos < 3 or m%d\n", i, i-1)
		}
		return b.String()
	}
	doubling := "define:\n  m0: mos < 3\n"
	for i := 1; i < 40; i++ {
		doubling += fmt.Sprintf("  m%d: m%d or m%[2]d\n", i, i-1)
	}
	const rule = "rules:\n  - name: a\n    when: mos < 3\n"
	type c = struct{ src, code string }
	return map[string]c{
		"macros":             {doubling + "rules: [{name: a, when: m39}]", "too-complex"},
		"macro ring":         {"define:\n  m0: m399\n" + ring(400) + "rules: [{name: a, when: m0}]", "macro-cycle"},
		"brackets":           {rule + "    labels: " + r("[", 90_000) + r("]", 90_000), "too-deep"},
		"open brackets":      {rule + "    labels: " + r("[", 190_000), "too-deep"},
		"braces":             {rule + "    labels: " + r("{a: ", 30_000) + r("}", 30_000), "too-deep"},
		"indentation":        {deep(2_000), "too-deep"},
		"dashes in dashes":   {"rules: \n" + r("- ", 100_000), "too-deep"},
		"keys in keys":       {r("a: ", 100_000), "too-deep"},
		"unknown keys":       {rule + many(50_000, "    key%d: 1\n"), "too-large"},
		"flow keys":          {"rules: [{" + many(50_000, "key%d: 1,") + "}]", "too-large"},
		"top keys":           {many(50_000, "key%d: 1\n"), "too-large"},
		"few unknown keys":   {rule + many(900, "    key%d: 1\n"), "unknown-key"},
		"tags":               {rule + "    owner: " + r("!x ", 10_000), "yaml-tag"},
		"tags over lines":    {"a:\n" + r("  - !x y\n", 10_000), "yaml-tag"},
		"many tags":          {rule + "    owner: " + r("!x ", 1_000_000), "too-large"},
		"complex keys":       {r("? ", 100_000), "yaml-syntax"},
		"complex key lines":  {r("? a\n", 100_000), "yaml-syntax"},
		"quotes":             {"a: " + r("'' ", 60_000), "yaml-syntax"},
		"quotes over lines":  {"a: " + r("''\n ", 60_000), "yaml-syntax"},
		"anchors":            {"a: [" + r("&a b,", 30_000) + "]", "yaml-anchor"},
		"alias bomb":         {"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\nrules: *d\n", "unknown-key"},
		"less than":          {"define: {m: " + r("<", 260_000) + "}\n" + rule, "too-large"},
		"a less-than sign":   {rule + "    labels: {a: '" + r("a<b ", 50_000) + "'}\n", ""},
		"tabs":               {rule + "    owner: \"" + r("\t", 130_000) + "\"\n", "too-large"},
		"tabs and words":     {rule + "    owner: \"" + r("mos\t<\t", 40_000) + "\"\n", "too-large"},
		"end of a block":     {"rules:\n  - name: a\n    when: |\n" + r("\n", 16_000), "too-large"},
		"end of a long one":  {"rules:\n  - name: a\n    owner: >-\n      " + r("x", 16_000) + r("\n", 16_000) + "    when: mos < 3\n", "too-large"},
		"spaces after one":   {"rules:\n  - name: a\n    when: |2 # text\n      mos\n" + r("      \n", 16_000), "too-large"},
		"returns after one":  {"rules:\n  - name: a\n    when: |\n" + r("\r", 16_000), "too-large"},
		"block and nothing":  {"rules:\n  - name: a\n    when: |\n      mos < 3\n\n\n\n    owner: b\n\n\n" + r("\n", 20_000), ""},
		"dashes in braces":   {"lists: {l: " + r("- ", 60_000) + "}\n" + rule, "yaml-syntax"},
		"dashes in brackets": {"lists: {l: [" + r("- ", 60_000) + "]}\n" + rule, "yaml-syntax"},
		"documents":          {r("a: 1\n---\n", 30_000), "several-documents"},
		"directives":         {r("%A b\n", 60_000), "yaml-syntax"},
		"block scalars":      {r("a: |\n", 60_000), "too-large"},
		"rules":              {"rules:\n" + many(100_000, "  - name: a%d\n    when: mos < 3.5\n"), "too-large"},
		"most rules":         {"rules:\n" + many(20_000, "  - name: a%d\n    when: mos < 3.5\n"), "too-large"},
		"routes":             {rule + "routes:\n" + many(30_000, "  - slack: '#x%d'\n"), "dead-route"},
		"silences":           {rule + "silences:\n" + many(16_000, "  - {match: durationSec == %d, until: 2099-01-01}\n"), "bad-time"},
		"tests":              {rule + "    tests:\n" + many(6_000, "      - {name: t%d, given: [{call: {mos: 2}}], expect: {state: firing}}\n"), ""},
		"long line":          {rule + "    owner: " + r("x", 3_000_000), ""},
		"long key":           {rule + "    " + r("k", 1_000_000) + ": 1", "unknown-key"},
		"long field":         {"rules: [{name: a, when: mos < 3, by: " + r("k", 1_000_000) + "}]", "unknown-field"},
		"long expression":    {"rules: [{name: a, when: '" + r("mos < 3 or ", 200_000) + "mos < 3'}]", "too-long"},
		"comments":           {r("# [[[[\n", 150_000) + rule, ""},
		"empty lines":        {r("\n", 4_000_000) + rule, "too-large"},
		"spaces":             {r(" ", 4_000_000), "empty-file"},
		"list":               {"lists: {l: [" + r("a,", 80_000) + "b]}\nrules:\n" + many(800, "  - {name: a%d, when: from in l and to in l}\n"), ""},
		"unknown values":     {"lists: {l: [" + r("a,", 50_000) + "b]}\nrules:\n" + many(400, "  - {name: a%d, when: status in l}\n"), "unknown-value"},
		"costly expressions": {"rules:\n" + many(3_000, "  - {name: a%d, when: "+r("mos < 3 or ", 100)+"mos < 3}\n"), "too-large"},
		"costly macro":       {"define: {m: " + r("mos < 3 or ", 100) + "mos < 3}\nrules:\n" + many(8_000, "  - {name: a%d, when: m}\n"), "too-large"},
		"patterns":           {"rules:\n" + many(500, "  - {name: a%d, when: 'from matches \"(((a{9}){9}){9}){1000}\"'}\n"), "bad-pattern"},
	}
}

// Files are read or refused within a second, and with little memory, whatever
// they are: rules come from people, by file, API and console.
func TestHostileFilesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plain(t)
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			begun := time.Now()
			_, problems := Load("rules.yaml", []byte(c.src))
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			shown := len(problems.Error())
			t.Logf("%d bytes: %s, %d MB allocated, %d problems", len(c.src), took, (after.TotalAlloc-before.TotalAlloc)>>20, len(problems))
			code := ""
			if len(problems) > 0 {
				code = problems[0].Code
			}
			if code != c.code {
				t.Errorf("%.300q, want %s", problems.Error(), c.code)
			}
			if took > 2*time.Second*slack || shown > 1<<20 || after.TotalAlloc-before.TotalAlloc > 400<<20 {
				t.Errorf("it took %s and %d MB, and shows %d bytes", took, (after.TotalAlloc-before.TotalAlloc)>>20, shown)
			}
		})
	}
}

// slack makes the time a guard against hangs, on busy machines and under the race
// detector too; what is bounded exactly is the memory.
const slack = 30
