package rulefmt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filesIn makes files below a folder.
func filesIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Files of a folder are one set: what is defined in one is known in all, defaults are
// for the rules of their own file, and routes of the file itself come last.
func TestSourcesAreOneSet(t *testing.T) {
	t.Parallel()
	dir := filesIn(t, map[string]string{
		"rules.yaml":           "define: {bad: mos < 3}\ndefaults: {owner: voice}\nrules: [{name: main, when: bad}]\nroutes: [{slack: \"#all\"}]\n",
		"rules.d/b.yml":        "rules: [{name: second, when: bad && jitterMs > 5}]\n",
		"rules.d/a.yaml":       "\ufeff---\r\nlists: {carriers: [x]}\r\ndefaults: {owner: agents}\r\nrules: [{name: first, when: bad}]\r\nroutes: [{match: owner == \"agents\", slack: \"#agents\"}]\r\n",
		"rules.d/note.yaml":    "# nothing here\n",
		"rules.d/.hidden.yaml": "rules: nonsense\n",
		"rules.d/readme.md":    "rules: nonsense\n",
		"rules.d/sub/x.yaml":   "rules: nonsense\n",
	})
	set, problems, err := LoadFile(filepath.Join(dir, "rules.yaml"))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var got []string
	for _, r := range set.Rules {
		got = append(got, r.Name+" "+r.Owner+" "+filepath.Base(r.File))
	}
	if want := "main voice rules.yaml, first agents a.yaml, second  b.yml"; strings.Join(got, ", ") != want {
		t.Errorf("rules %q, want %q", strings.Join(got, ", "), want)
	}
	if len(set.Routes) != 2 || set.Routes[0].Slack[0] != "#agents" || set.Routes[1].Slack[0] != "#all" {
		t.Errorf("routes %+v", set.Routes)
	}
	if len(set.Sources) != 4 || set.Digest == Digest(set.Sources[0].Text) {
		t.Errorf("%d sources, digest %s", len(set.Sources), set.Digest)
	}

	// The folder alone lacks the macro.
	if set, problems, err = LoadFile(filepath.Join(dir, Folder)); err != nil || set != nil || !strings.Contains(problems.Error(), "a.yaml:4:29: error: unknown field bad") {
		t.Errorf("%v %v", err, problems)
	}
}

// What is wrong between files names both places.
func TestSourcesRefuse(t *testing.T) {
	t.Parallel()
	const rule = "rules:\n  - name: one\n    when: mos < 3\n"
	for name, c := range map[string]struct {
		files map[string]string
		says  []string
	}{
		"a rule twice":           {map[string]string{"a.yaml": rule, "b.yaml": "# comment\n" + rule}, []string{"b.yaml:3:11: error: a rule named \"one\" is in ", "a.yaml:2 already [duplicate-name]"}},
		"a macro twice":          {map[string]string{"a.yaml": "define: {bad: mos < 3}\n" + rule, "b.yaml": "define:\n  bad: mos < 2\n"}, []string{"b.yaml:2:3: error: a macro named \"bad\" is defined in ", "a.yaml:1 already"}},
		"a list twice":           {map[string]string{"a.yaml": "lists: {l: [x]}\n" + rule, "b.yaml": "lists:\n  l: [y]\n"}, []string{"b.yaml:2:3: error: a list named \"l\" is defined in ", "a.yaml:1 already"}},
		"a macro with a mistake": {map[string]string{"a.yaml": "define: {bad: moss < 3}\n", "b.yaml": rule}, []string{"a.yaml:1:15: error: unknown field moss"}},
		"an adoption":            {map[string]string{"a.yaml": "rules: [{name: w, over: 1h, when: 'rate(mos < 3) > 0.1', adopts: [gone]}]\n", "b.yaml": rule}, []string{"a.yaml:1:", "there is no rule \"gone\""}},
		"no rules":               {map[string]string{"a.yaml": "# none\n", "b.yaml": "# none\n"}, []string{"the files have no rules"}},
		"only macros":            {map[string]string{"a.yaml": "define: {bad: mos < 3}\n", "b.yaml": "# none\n"}, []string{"the file has no rules"}},
		"an empty file":          {map[string]string{"a.yaml": rule, "b.yaml": "\n"}, []string{"b.yaml:1:1: error: the file has no rules [empty-file]"}},
		"several":                {map[string]string{"a.yaml": "rules: [{name: a, when: moss < 3}]\n", "b.yaml": "rules: [{name: b, when: jiter < 3}]\n"}, []string{"a.yaml:1:", "b.yaml:1:"}},
		"a dead route":           {map[string]string{"a.yaml": rule + "routes: [{slack: \"#all\"}]\n", "b.yaml": "routes: [{slack: \"#all\"}]\n"}, []string{"a.yaml:4:", "no incident comes as far as this route"}},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems, err := LoadFile(filesIn(t, c.files))
			if err != nil || set != nil {
				t.Fatal(set, err)
			}
			for _, want := range c.says {
				if !strings.Contains(problems.Error(), want) {
					t.Errorf("does not say %q:\n%s", want, problems.Error())
				}
			}
		})
	}
}

func TestReadSourcesRefuses(t *testing.T) {
	t.Parallel()
	if _, err := ReadSources(filepath.Join(t.TempDir(), "rules.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadSources(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no *.yaml file") {
		t.Error(err)
	}
	large := strings.Repeat("#", maxFile/2)
	if _, err := ReadSources(filesIn(t, map[string]string{"a.yaml": large, "b.yaml": large, "c.yaml": large})); err == nil || !strings.Contains(err.Error(), "bytes together") {
		t.Error(err)
	}
}
