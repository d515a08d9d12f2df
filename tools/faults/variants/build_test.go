package variants

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A mutation that does not find its place, or does not compile, proves nothing.
func TestMutationsApply(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the product")
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	o := &overlay{map[string]string{}}
	if err := o.addMutations(root, Mutants()); err != nil {
		t.Fatal(err)
	}
	list, err := o.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, "-overlay", list, "./cmd/callwatch")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the mutated product does not compile: %v\n%s", err, out)
	}
}

func TestEditsFindTheirPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.go")
	text := `package x

type box struct{ on bool }

func (b *box) put(n int) (err error) {
	if n > 0 && b.ready(n) {
		return nil
	}
	at, err := find(n, limit(3))
	_ = at
	return err
}

func put(n int) error { return open(box{on: n > 0}) }
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := parseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit edit
		want string // in the changed function; "" for an error
	}{
		"condition":             {edit{"box.put", never(asks("ready"))}, "if false && (n > 0 && b.ready(n)) {"},
		"argument":              {edit{"x.box.put", withoutArgument("limit")}, "find(n)\n"},
		"result":                {edit{"put", withResult("find", 0, "7")}, "limit(3))\nat = 7\n"},
		"before":                {edit{"put", before("find", "_, _ = CALL")}, "_, _ = find(n, limit(3))\nat, err"},
		"field":                 {edit{"x.put", unset("on")}, "on: false && (n > 0)}"},
		"start":                 {edit{"x.put", atStart("panic(1)")}, "{\npanic(1)\n"},
		"expression":            {edit{"x.put", inPlaceOf("n > 0", "true")}, "on: true}"},
		"two functions":         {edit{"put", atStart("panic(1)")}, ""},
		"no such function":      {edit{"take", atStart("panic(1)")}, ""},
		"no such call":          {edit{"put", never(asks("steady"))}, ""},
		"another package":       {edit{"y.put", unset("on")}, ""},
		"one of two is missing": {edit{"box.put", all(never(asks("ready")), withoutArgument("bound"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fn, splices, err := c.edit.find([]*sourceFile{f})
			switch {
			case c.want == "" && err == nil:
				t.Error("it is applied")
			case c.want != "" && err != nil:
				t.Error(err)
			case c.want != "":
				if got := f.spliced(fn.decl.Pos(), fn.decl.End(), splices); !strings.Contains(got, c.want) {
					t.Errorf("got\n%s\nwant in it\n%s", got, c.want)
				}
			}
		})
	}
}
