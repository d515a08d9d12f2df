package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"callwatch/normalizer"
)

// What is declared in the folder and in callwatch.yaml is read again as a whole: with an
// error in one of them there is nothing to put into force.
func TestReadDeclaredAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const events = "verify: none\nevents: [{kind: ended, set: {callId: body.id}}]\n"
	inline := "providers_dir: " + dir + "\nproviders:\n  inline: {verify: none, events: [{kind: ended, set: {callId: body.id}}]}\n"
	write("acme.yaml", events)
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	writeFile := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(inline)
	c, err := Read(file, nil, normalizer.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	if files, err := c.DeclarationFiles(); err != nil || !slices.Equal(files, []string{filepath.Join(dir, "acme.yaml"), file}) {
		t.Fatalf("files %v, %v", files, err)
	}
	titles := func() map[string]string {
		all, err := c.ReadDeclared()
		if err != nil {
			return nil
		}
		m := map[string]string{}
		for _, d := range all {
			m[d.Name] = d.Title
		}
		return m
	}
	write("acme.yaml", "title: Acme Two\n"+events)
	writeFile(inline + "  second: {verify: none, title: Second, events: [{kind: ended, set: {callId: body.id}}]}\n")
	if m := titles(); m["acme"] != "Acme Two" || m["second"] != "Second" || len(m) != 3 {
		t.Errorf("read again: %v", m)
	}
	write("acme.yaml", "titel: Acme\n"+events)
	if m := titles(); m != nil {
		t.Errorf("with an error there are %v", m)
	}
}
