package handlers_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/handlers"
)

// TestGeneratedClient: a client that a generator makes from the document compiles and
// works. It is a module of its own: what it imports is not needed by callwatch.
func TestGeneratedClient(t *testing.T) {
	if testing.Short() {
		t.Skip("the client is not generated")
	}
	o := newOffice(t)
	o.busy()
	o.fleet()
	base := serve(t, handlers.Config{Dev: true, API: o.api()})
	got := send(t, "GET", base+"/api/v1/openapi-3.0.json", "", nil)
	dir := t.TempDir()
	if err := errors.Join(
		os.CopyFS(dir, os.DirFS("testdata/client")), os.Rename(filepath.Join(dir, "main.go.txt"), filepath.Join(dir, "main.go")), os.WriteFile(filepath.Join(dir, "openapi.json"), []byte(got.body), 0o600), os.Mkdir(filepath.Join(dir, "callwatch"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	tool(t, dir, "tool", "oapi-codegen", "-config", "config.yaml", "openapi.json")
	want := "calls: 2 and more\nfound: +14155550187\nlines: 1\nstats: 4 regions of all calls\nincident: low-mos, taken by client\nrule: low-mos\nrefused: 422\nmissing: 404\n"
	if out := tool(t, dir, "run", ".", base+"/api/v1"); out != want {
		t.Errorf("the client says\n%swant\n%s", out, want)
	}
}

// tool runs go in the client's module and returns what is written to stdout: on a new
// machine go says on stderr what it downloads.
func tool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && strings.Contains(said.String(), "dial tcp") {
		t.Skipf("the modules of the client cannot be loaded: %s", said.String())
	}
	if err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}
