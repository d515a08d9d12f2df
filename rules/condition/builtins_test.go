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
		if ok || b.Name == "date" {
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
}
