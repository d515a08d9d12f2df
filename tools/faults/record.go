package main

import (
	"fmt"
	"slices"
	"strings"

	"callwatch/tools/faults/variants"
)

// result is one line of a record file.
type result struct {
	number                                          int
	row, date, seed, mutation, verdict, run, figure string
}

// results reads a record file.
func results(text string) ([]result, error) {
	var all []result
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		var r result
		if len(f) != 8 {
			return nil, fmt.Errorf("record %q has %d fields, want 8", line, len(f))
		}
		if _, err := fmt.Sscan(f[0], &r.number); err != nil {
			return nil, fmt.Errorf("record %q: %w", line, err)
		}
		r.row, r.date, r.seed, r.mutation, r.verdict, r.run, r.figure = f[1], f[2], f[3], f[4], f[5], f[6], f[7]
		all = append(all, r)
	}
	return all, nil
}

// table is the scorecard in Markdown: the latest run of each row, then the runs
// with a mutation. A row without a run says so.
func table(all []result) string {
	var b strings.Builder
	b.WriteString("| # | fault | number to reach | reached | date | command |\n| --- | --- | --- | --- | --- | --- |\n")
	latest := func(row, mutation string) (r result, ok bool) {
		for _, have := range all {
			if have.row == row && have.mutation == mutation {
				r, ok = have, true
			}
		}
		return r, ok
	}
	for _, row := range scorecard() {
		r, ok := latest(row.Name, string(variants.None))
		if !ok {
			r.verdict, r.run = "not run yet", "go run ./tools/faults "+row.Name
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | `%s` |\n", row.Number, row.Fault, row.Promise, strings.TrimPrefix(r.verdict+": "+r.figure, "reached: "), r.date, r.run)
	}
	b.WriteString("\n| mutation | row | what then happens | date | command |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range variants.Mutants() {
		for _, row := range scorecard() {
			if r, ok := latest(row.Name, string(m.Name)); ok {
				fmt.Fprintf(&b, "| %s: %s | %s | %s: %s | %s | `%s` |\n", m.Name, m.What, row.Name, r.verdict, r.figure, r.date, r.run)
			}
		}
	}
	return b.String()
}

// published replaces the table in a document between its two marks.
func published(document, table string) (string, error) {
	const begin, end = "<!-- scorecard -->\n", "<!-- /scorecard -->"
	from, to := strings.Index(document, begin), strings.Index(document, end)
	if from < 0 || to < from {
		return "", fmt.Errorf("the document has no %q and %q", strings.TrimSpace(begin), end)
	}
	return strings.Join(slices.Concat([]string{document[:from+len(begin)]}, []string{table}, []string{document[to:]}), ""), nil
}
