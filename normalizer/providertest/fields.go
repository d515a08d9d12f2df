package providertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
)

// fieldGroup is a kind of body, with what becomes of each of its fields. It
// is in fields.tsv.
type fieldGroup struct {
	title, via string
	cases      [][2]string // pattern of names, and where in the body the fields are
	rows       []fieldRow
}

type fieldRow struct {
	source  string // from the group's root; from the body's where it begins with ^
	target  string // fields, a path in raw, or "left out: why"
	unit    string
	note    string
	example any // put in where no case has it
}

// Why a field is in no event. The whole body stays stored under rawId.
func leftOut() map[string]string {
	return map[string]string{
		"bulky":    "not in the event: too bulky",
		"private":  "not in the event: private",
		"secret":   "not in the event: a credential",
		"envelope": "not in the event: of the message, not of the call",
	}
}

func fieldGroups(t *testing.T, dir string) []fieldGroup {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "fields.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var groups []fieldGroup
	for i, l := range strings.Split(string(content), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if head, ok := strings.CutPrefix(l, "="); ok {
			parts := strings.Split(head, "|")
			g := fieldGroup{title: strings.TrimSpace(parts[0]), via: strings.TrimSpace(parts[1])}
			for _, c := range strings.Fields(parts[2]) {
				pattern, root, _ := strings.Cut(c, "@")
				g.cases = append(g.cases, [2]string{pattern, root})
			}
			groups = append(groups, g)
			continue
		}
		cols := append(strings.Split(l, "\t"), "", "", "", "")
		r := fieldRow{source: cols[0], target: cols[1], unit: cols[2], note: cols[3]}
		if cols[4] != "" {
			if err := json.Unmarshal([]byte(cols[4]), &r.example); err != nil {
				t.Fatalf("%s/fields.tsv:%d: %v", dir, i+1, err)
			}
		}
		groups[len(groups)-1].rows = append(groups[len(groups)-1].rows, r)
	}
	return groups
}

// root is where in a case's body the group's fields are.
func (g *fieldGroup) root(name string) (string, bool) {
	for _, c := range g.cases {
		if ok, _ := filepath.Match(c[0], name); ok {
			return c[1], true
		}
	}
	return "", false
}

// path is where in a body with such a root a row's field is.
func (r *fieldRow) path(root string) string {
	if whole, ok := strings.CutPrefix(r.source, "^"); ok {
		return whole
	}
	return strings.TrimPrefix(root+"."+r.source, ".")
}

// sourceOf is how the table writes a path.
func sourceOf(path, root string) string {
	if root == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, root+"."); ok {
		return rest
	}
	return "^" + path
}

// sample is a case as its group sees it.
type sample struct {
	Case
	root   string
	tree   any
	leaves []leaf       // of tree
	events []call.Event // of the body
}

// samples sorts the cases of a provider into the groups. One that belongs to
// none, and is no error and not ignored, fails.
func samples(t *testing.T, p normalizer.Provider, dir string, groups []fieldGroup) [][]sample {
	t.Helper()
	sorted := make([][]sample, len(groups))
	for _, c := range Cases(t, p.Name, dir) {
		events, err := normalizer.Events(p, &c.Body, normalizer.Options{})
		if err != nil || len(events) == 0 {
			continue
		}
		i := slices.IndexFunc(groups, func(g fieldGroup) bool { _, ok := g.root(c.Name); return ok })
		if i < 0 {
			t.Errorf("%s belongs to no group of %s/fields.tsv", c.Name, dir)
			continue
		}
		root, _ := groups[i].root(c.Name)
		tree := treeOf(&c.Body)
		sorted[i] = append(sorted[i], sample{c, root, tree, leaves(tree, "", nil), events})
	}
	return sorted
}

// Fields proves the table of source fields: each member of every
// body is in it, and what it says becomes of a field is what happens.
func Fields(t *testing.T, p normalizer.Provider, dir string) {
	groups := fieldGroups(t, dir)
	for i, all := range samples(t, p, dir, groups) {
		listed := map[string]bool{}
		for _, r := range groups[i].rows {
			if listed[r.source] {
				t.Errorf("%s: %s is listed twice", groups[i].title, r.source)
			}
			listed[r.source] = true
			if err := r.proof(p, all); err != nil {
				t.Errorf("%s: %s: %v", groups[i].title, r.source, err)
			}
		}
		for _, s := range all {
			for _, l := range s.leaves {
				if source := sourceOf(l.path, s.root); !listed[source] && !strings.HasSuffix(source, "odd") {
					t.Errorf("%s: %s of %s is neither mapped nor listed as raw", groups[i].title, source, s.Name)
					listed[source] = true
				}
			}
		}
	}
}

// FieldPages is docs/providers.md: the tables of the providers, each in its folder.
func FieldPages(t *testing.T, providers []normalizer.Provider, dirOf func(provider string) string) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("# What becomes of each field the providers send\n\n" +
		"Written by `go test ./normalizer/registry -update` from the `testdata/fields.tsv` of each provider, and proved by the\n" +
		"provider's test: for each row there is a body with the source field whose event changes as the row says when it is taken out.\n" +
		"`[]` is every element of a list, ^ a member of the body around the call. What is in no event is in the stored body,\n" +
		"which `rawId` names. Kinds of bodies that are acknowledged and ignored have no rows. The event fields are explained in [fields.md](fields.md).\n")
	for _, p := range providers {
		fmt.Fprintf(&b, "\n## %s\n", p.Title)
		for _, g := range fieldGroups(t, dirOf(p.Name)) {
			fmt.Fprintf(&b, "\n### %s: %s\n\n| source field | event field | unit at the source | |\n| --- | --- | --- | --- |\n", p.Title, g.title+" ("+g.via+")")
			for _, r := range g.rows {
				target := "`" + strings.ReplaceAll(r.target, ", ", "`, `") + "`"
				if why, ok := strings.CutPrefix(r.target, "left out: "); ok {
					target = leftOut()[why]
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.source, target, r.unit, r.note)
			}
		}
	}
	return []byte(b.String())
}
