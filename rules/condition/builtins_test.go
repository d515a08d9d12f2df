package condition

import (
	"strings"
	"testing"

	"github.com/expr-lang/expr/builtin"
)

// Every function of expr-lang that conditions do not have says what to write
// instead, however it is called.
func TestEveryBuiltinSaysWhatToWriteInstead(t *testing.T) {
	allowed, refused := functions(), refusedBuiltins()
	for _, b := range builtin.Builtins {
		_, ok := allowed[b.Name]
		_, hinted := refused[b.Name]
		if ok || b.Name == "date" || b.Name == "sum" {
			if hinted {
				t.Errorf("%s is refused and part of the language", b.Name)
			}
			continue
		}
		if !hinted {
			t.Errorf("%s: nothing says what to write instead", b.Name)
			continue
		}
		for _, args := range []string{"(mos) > 3", "(intervals, .mos) > 3", "(intervals, .mos < 3) > 3", `(codec, "x") == "a"`, "() == 1", "(intervals)[0] == 1"} {
			p, problems := Compile(b.Name+args, Env{})
			if p != nil || len(problems) != 1 || problems[0].Code != CodeUnknownFunction || problems[0].Hint == "" || !strings.HasPrefix(problems[0].Message, b.Name) {
				t.Errorf("%s%s: %+v", b.Name, args, problems)
			}
		}
	}
	for _, src := range []string{"sum(intervals, .jitterMs) > 3", "sum(intervals) > 3", "sum(tags) > 3"} {
		if _, problems := Compile(src, Env{}); len(problems) != 1 || problems[0].Code != CodeUnknownFunction {
			t.Errorf("%s: %v", src, problems)
		}
		if _, problems := CompileWindow(src, Env{}, &Figures{}); len(problems) == 0 || problems[0].Code == CodeWindowFunction {
			t.Errorf("%s in a window: %v", src, problems)
		}
	}
}
