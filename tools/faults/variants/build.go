// Package variants builds callwatch: as it is, with mechanisms left out, with a clock that can be set.
package variants

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// MutationsEnv names, in the environment of a mutated build, the mutations that
// are on, separated by commas.
const MutationsEnv = "CALLWATCH_FAULT_MUTATIONS"

// Variant is a way to build callwatch.
type Variant string

const (
	Plain   Variant = "plain"   // the product
	Mutated Variant = "mutated" // with all mutations, each off until the environment names it
	Clocked Variant = "clocked" // with a wall clock that can be set

	ClockedMutated Variant = "clocked-mutated"
)

// Builds makes each variant of callwatch once.
type Builds struct {
	Dir string // of what is built

	mu   sync.Mutex
	made map[Variant]func() (string, error)
}

// Get returns the binary of a variant, built on its first use.
func (b *Builds) Get(ctx context.Context, v Variant) (string, error) {
	b.mu.Lock()
	if b.made == nil {
		b.made = map[Variant]func() (string, error){}
	}
	if b.made[v] == nil {
		b.made[v] = sync.OnceValues(func() (string, error) { return b.build(ctx, v) })
	}
	made := b.made[v]
	b.mu.Unlock()
	return made()
}

func (b *Builds) build(ctx context.Context, v Variant) (string, error) {
	binary, err := b.compile(ctx, v)
	if err != nil {
		return "", fmt.Errorf("build callwatch (%s): %w", v, err)
	}
	return binary, nil
}

func (b *Builds) compile(ctx context.Context, v Variant) (string, error) {
	root, err := ModuleRoot(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.Dir, string(v))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "callwatch")
	args := []string{"build", "-o", binary}
	o := &overlay{map[string]string{}}
	if v == Mutated || v == ClockedMutated {
		if err := o.addMutations(root, Mutants()); err != nil {
			return "", err
		}
	}
	if v == Clocked || v == ClockedMutated {
		if err := o.addClock(ctx, root); err != nil {
			return "", err
		}
	}
	if len(o.files) > 0 {
		file, err := o.write(dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", file)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/callwatch")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
}

func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "callwatch").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources (run from the module's directory): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// overlay is files that a build reads in place of those in the tree, by path.
type overlay struct{ files map[string]string }

// write writes the files into dir, and the list that the go command takes.
func (o *overlay) write(dir string) (list string, err error) {
	replace := map[string]string{}
	for path, text := range o.files {
		copied := filepath.Join(dir, fmt.Sprintf("overlay-%d.go", len(replace)))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = copied
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, b, 0o600)
}

// addMutations adds mutations. Every function that they change is
// there twice: as it is, with a first statement that calls the changed copy when
// the environment names the mutation. The product itself has no such switches.
func (o *overlay) addMutations(root string, ms []Mutant) error {
	files, err := parseModule(root)
	if err != nil {
		return err
	}
	inserted := map[*sourceFile][]splice{}
	copies := map[*sourceFile]string{}
	for _, m := range ms {
		for _, e := range m.edits {
			f, splices, err := e.find(files)
			if err != nil {
				return fmt.Errorf("mutation %s: %w", m.Name, err)
			}
			call, err := f.dispatch(m.Name)
			if err != nil {
				return fmt.Errorf("mutation %s: %w", m.Name, err)
			}
			inserted[f.file] = append(inserted[f.file], splice{f.decl.Body.Lbrace + 1, f.decl.Body.Lbrace + 1, call})
			renamed := append(splices, splice{f.decl.Name.Pos(), f.decl.Name.End(), f.copied(m.Name)})
			copies[f.file] += "\n" + f.file.spliced(f.decl.Pos(), f.decl.End(), renamed) + "\n"
		}
	}
	for file, calls := range inserted {
		o.files[file.path] = file.spliced(file.tree.FileStart, file.tree.FileEnd, calls) + copies[file]
		o.files[filepath.Join(filepath.Dir(file.path), "zz_faults.go")] = "package " + file.pkg + `

import (
	"os"
	"strings"
)

var mutationsOn = "," + os.Getenv("` + MutationsEnv + `") + ","

func mutationOn(name string) bool { return strings.Contains(mutationsOn, ","+name+",") }
`
	}
	return nil
}

// copied is the name of the changed copy of the function.
func (f *function) copied(m Mutation) string {
	return f.decl.Name.Name + "_" + strings.ReplaceAll(string(m), "-", "_")
}

// dispatch is the statement that calls the changed copy.
func (f *function) dispatch(m Mutation) (string, error) {
	if f.decl.Type.TypeParams != nil {
		return "", fmt.Errorf("%s is generic", f.decl.Name.Name)
	}
	call := f.copied(m) + "("
	if r := f.decl.Recv; r != nil {
		if len(r.List[0].Names) == 0 {
			return "", fmt.Errorf("the receiver of %s has no name", f.decl.Name.Name)
		}
		call = r.List[0].Names[0].Name + "." + call
	}
	for _, p := range f.decl.Type.Params.List {
		if len(p.Names) == 0 {
			return "", fmt.Errorf("a parameter of %s has no name", f.decl.Name.Name)
		}
		for _, n := range p.Names {
			if n.Name == "_" {
				return "", fmt.Errorf("a parameter of %s has no name", f.decl.Name.Name)
			}
			call += n.Name
			if _, variadic := p.Type.(*ast.Ellipsis); variadic {
				call += "..."
			}
			call += ", "
		}
	}
	call = strings.TrimSuffix(call, ", ") + ")"
	if f.decl.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	return fmt.Sprintf(" if mutationOn(%q) { %s };", m, call), nil
}
