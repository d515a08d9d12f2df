package variants

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// edit changes one function of the product. The function is found by its name,
// wherever its file and its package are.
type edit struct {
	fn     string // "Name", "Type.Name", "package.Name" or "package.Type.Name"
	change change
}

// change returns what to replace in the source of a function; nothing where the
// function has no such place.
type change func(f *function) []splice

// function is a function of the product in its source.
type function struct {
	decl *ast.FuncDecl
	file *sourceFile
}

// sourceFile is a parsed file of the product.
type sourceFile struct {
	path string
	text string
	pkg  string
	tree *ast.File
	set  *token.FileSet
}

// splice replaces the source between two positions.
type splice struct {
	from, to token.Pos
	text     string
}

func (f *sourceFile) offset(p token.Pos) int { return f.set.Position(p).Offset }

func (f *function) source(n ast.Node) string {
	return f.file.text[f.file.offset(n.Pos()):f.file.offset(n.End())]
}

// parseModule reads the sources of the product below root: all packages but the
// tools, for this system, without tests.
func parseModule(root string) ([]*sourceFile, error) {
	var files []*sourceFile
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "tools" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		if ok, err := build.Default.MatchFile(filepath.Dir(path), name); err != nil || !ok {
			return err
		}
		f, err := parseFile(path)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	return files, err
}

func parseFile(path string) (*sourceFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &sourceFile{path: path, text: string(b), set: token.NewFileSet()}
	if f.tree, err = parser.ParseFile(f.set, path, b, parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	f.pkg = f.tree.Name.Name
	return f, nil
}

// find returns the one function that e changes, and how.
func (e *edit) find(files []*sourceFile) (*function, []splice, error) {
	var found *function
	var splices []splice
	named := 0
	for _, file := range files {
		for _, d := range file.tree.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || decl.Body == nil || !slices.Contains(names(file.pkg, decl), e.fn) {
				continue
			}
			named++
			f := &function{decl, file}
			got := e.change(f)
			if len(got) == 0 {
				continue
			}
			if found != nil {
				return nil, nil, fmt.Errorf("two functions %s can be changed: in %s and %s", e.fn, found.file.path, file.path)
			}
			found, splices = f, got
		}
	}
	if found == nil {
		return nil, nil, fmt.Errorf("none of %d functions named %s has the place to change", named, e.fn)
	}
	return found, splices, nil
}

// names are the names by which an edit may ask for a function.
func names(pkg string, d *ast.FuncDecl) []string {
	name := d.Name.Name
	if r := receiver(d); r != "" {
		return []string{name, r + "." + name, pkg + "." + r + "." + name}
	}
	return []string{name, pkg + "." + name}
}

// receiver is the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return "" // generic: not needed so far
}

// spliced is the source of a part of a file with splices applied.
func (f *sourceFile) spliced(from, to token.Pos, splices []splice) string {
	splices = slices.Clone(splices)
	slices.SortStableFunc(splices, func(a, b splice) int { return int(a.from - b.from) })
	var b strings.Builder
	at := f.offset(from)
	for _, s := range splices {
		b.WriteString(f.text[at:f.offset(s.from)])
		b.WriteString(s.text)
		at = f.offset(s.to)
	}
	b.WriteString(f.text[at:f.offset(to)])
	return b.String()
}

// called reports whether e is a call of a function or method with that name.
func called(e ast.Node, name string) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch fun := c.Fun.(type) {
	case *ast.Ident:
		return fun.Name == name
	case *ast.SelectorExpr:
		return fun.Sel.Name == name
	}
	return false
}

// callsIn are the calls of name in a part of the source.
func callsIn(n ast.Node, name string) []*ast.CallExpr {
	var found []*ast.CallExpr
	ast.Inspect(n, func(n ast.Node) bool {
		if called(n, name) {
			found = append(found, n.(*ast.CallExpr))
		}
		return true
	})
	return found
}

// statement is the innermost statement of a block that contains n.
func (f *function) statement(n ast.Node) ast.Stmt {
	var inner ast.Stmt
	within := func(list []ast.Stmt) {
		for _, s := range list {
			if s.Pos() <= n.Pos() && n.End() <= s.End() {
				inner = s
			}
		}
	}
	ast.Inspect(f.decl.Body, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.BlockStmt:
			within(x.List)
		case *ast.CaseClause:
			within(x.Body)
		case *ast.CommClause:
			within(x.Body)
		}
		return true
	})
	return inner
}

// all makes several changes in one function: each must have its place.
func all(changes ...change) change {
	return func(f *function) []splice {
		var out []splice
		for _, c := range changes {
			got := c(f)
			if len(got) == 0 {
				return nil
			}
			out = append(out, got...)
		}
		return out
	}
}

// atStart puts statements at the beginning of the function.
func atStart(statements string) change {
	return func(f *function) []splice {
		at := f.decl.Body.Lbrace + 1
		return []splice{{at, at, "\n" + statements + "\n"}}
	}
}

// behind puts statements behind the statement that calls name.
func behind(name, statements string) change {
	return func(f *function) (out []splice) {
		for _, c := range callsIn(f.decl.Body, name) {
			at := f.statement(c).End()
			out = append(out, splice{at, at, "\n" + statements + "\n"})
		}
		return out
	}
}

// before puts statements in front of the statement that calls name. CALL in them
// is the call as it is in the source.
func before(name, statements string) change {
	return func(f *function) (out []splice) {
		for _, c := range callsIn(f.decl.Body, name) {
			at := f.statement(c).Pos()
			out = append(out, splice{at, at, strings.ReplaceAll(statements, "CALL", f.source(c)) + "\n"})
		}
		return out
	}
}

// withResult sets what a call has returned, by its place in the assignment.
func withResult(name string, place int, value string) change {
	return func(f *function) (out []splice) {
		for _, c := range callsIn(f.decl.Body, name) {
			a, ok := f.statement(c).(*ast.AssignStmt)
			if ok && place < len(a.Lhs) {
				out = append(out, splice{a.End(), a.End(), "\n" + f.source(a.Lhs[place]) + " = " + value + "\n"})
			}
		}
		return out
	}
}

// withoutArgument leaves out the arguments that are calls of name.
func withoutArgument(name string) change {
	return func(f *function) (out []splice) {
		ast.Inspect(f.decl.Body, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			for i := 1; ok && i < len(c.Args); i++ {
				if called(c.Args[i], name) {
					at := f.statement(c).Pos()
					out = append(out, splice{at, at, "_ = " + f.source(c.Args[i]) + "\n"}, splice{c.Args[i-1].End(), c.Args[i].End(), ""})
				}
			}
			return true
		})
		return out
	}
}

// never makes the conditions false that match.
func never(match func(ast.Expr) bool) change {
	return func(f *function) (out []splice) {
		wrap := func(e ast.Expr) {
			if e != nil && match(e) {
				out = append(out, splice{e.Pos(), e.Pos(), "false && ("}, splice{e.End(), e.End(), ")"})
			}
		}
		ast.Inspect(f.decl.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.IfStmt:
				wrap(n.Cond)
			case *ast.SwitchStmt:
				if n.Tag == nil {
					for _, c := range n.Body.List {
						for _, e := range c.(*ast.CaseClause).List {
							wrap(e)
						}
					}
				}
			}
			return true
		})
		return out
	}
}

// asks matches conditions that call name.
func asks(name string) func(ast.Expr) bool {
	return func(e ast.Expr) bool { return len(callsIn(e, name)) > 0 }
}

// compares matches conditions that compare two variables for being equal.
func compares(a, b string) func(ast.Expr) bool {
	return func(e ast.Expr) (yes bool) {
		ast.Inspect(e, func(n ast.Node) bool {
			if c, ok := n.(*ast.BinaryExpr); ok && c.Op == token.EQL {
				x, ok1 := c.X.(*ast.Ident)
				y, ok2 := c.Y.(*ast.Ident)
				yes = yes || ok1 && ok2 && x.Name == a && y.Name == b
			}
			return true
		})
		return yes
	}
}

// unset makes a field of a composite literal false.
func unset(name string) change {
	return func(f *function) (out []splice) {
		ast.Inspect(f.decl.Body, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
					out = append(out, splice{kv.Value.Pos(), kv.Value.Pos(), "false && ("}, splice{kv.Value.End(), kv.Value.End(), ")"})
				}
			}
			return true
		})
		return out
	}
}

// withoutDefer leaves out what the function defers.
func withoutDefer() change {
	return func(f *function) (out []splice) {
		for _, s := range f.decl.Body.List {
			if d, ok := s.(*ast.DeferStmt); ok {
				out = append(out, splice{d.Pos(), d.End(), ""})
			}
		}
		return out
	}
}

// inPlaceOf replaces an expression, wherever the function has it.
func inPlaceOf(expr, other string) change {
	return func(f *function) (out []splice) {
		ast.Inspect(f.decl.Body, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && f.source(e) == expr {
				out = append(out, splice{e.Pos(), e.End(), other})
				return false
			}
			return true
		})
		return out
	}
}
