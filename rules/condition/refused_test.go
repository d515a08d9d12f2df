package condition

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// The cases are files: <code>-<what>.expr holds the expression, the .txt beside
// it what is said about it.
func TestProblems(t *testing.T) {
	env := Env{
		Macros: map[string]string{
			"poor": "jitterMs > 30", "loss_share": "packetsLost / packetsReceived", "broken": "jiter > 30",
			"loop": "poor || loop2", "loop2": "loop", "bad_interval": "any(intervals, .mos < 3.5)",
			"twice": "twice1 || twice1 || twice1 || twice1 || twice1 || twice1", "twice1": "twice2 || twice2 || twice2 || twice2 || twice2 || twice2",
			"twice2": "twice3 || twice3 || twice3 || twice3 || twice3 || twice3", "twice3": "poor || poor || poor || poor || poor || poor",
		},
		Lists: map[string][]string{"us_carriers": {"att", "verizon"}},
	}
	for dir, refused := range map[string]bool{"refused": true, "warned": false} {
		files, err := filepath.Glob("testdata/" + dir + "/*.expr")
		if err != nil || len(files) == 0 {
			t.Fatalf("no cases in %s: %v", dir, err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".expr")
			t.Run(dir+"/"+name, func(t *testing.T) {
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p, problems := Compile(strings.TrimSuffix(string(src), "\n"), env)
				if (p == nil) != refused {
					t.Errorf("refused: %v, want %v", p == nil, refused)
				}
				if len(problems) == 0 || !strings.HasPrefix(name, string(problems[0].Code)) {
					t.Errorf("problems %v, want the first to be of the code in the file's name", problems)
				}
				golden(t, strings.TrimSuffix(file, ".expr")+".txt", said(problems))
			})
		}
	}
}

func said(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%d:%d %s %s: %s\n", p.Line, p.Column, p.Severity, p.Code, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", p.Hint)
		}
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", file, diff)
	}
}

func TestLostPacketsBesideTheLengthAreMeant(t *testing.T) {
	for _, src := range []string{"packetsLost > 50 && durationSec < 600", "packetLossPct > 5 && packetsLost > 50"} {
		if p, problems := Compile(src, Env{}); p == nil || len(problems) > 0 {
			t.Errorf("%s: %v", src, problems)
		}
	}
}

func TestExpressionBounds(t *testing.T) {
	long := "mos < 3.5 || from == \"" + strings.Repeat("1", maxBytes) + "\""
	wide := "mos < 3.5" + strings.Repeat(" || mos < 3.5", 250)
	for src, code := range map[string]Code{long: CodeTooLong, wide: CodeTooComplex, strings.Repeat("(", 2000): CodeSyntax, strings.Repeat("-", 2000) + "mos": CodeTooComplex} {
		if p, problems := Compile(src, Env{}); p != nil || len(problems) == 0 || problems[0].Code != code {
			t.Errorf("%.40s...: %v, want %s", src, problems, code)
		}
	}
}

func TestEnvCheck(t *testing.T) {
	env := Env{
		Macros: map[string]string{
			"fine": "mos < 3.5", "number": "packetsLost / 2", "typo": "moss < 3.5", "mos": "1 < 2", "any": "mos < 3", "rate": "mos < 3",
			"a": "b", "b": "a || mos < 3", "us": "mos < 3", "two words": "mos < 3", "empty": " ",
		},
		Lists: map[string][]string{"us": {"x"}, "nobody": nil, "packetsLost": {"x"}},
	}
	got := map[string]Code{}
	for name, problems := range env.Check() {
		got[name] = problems[0].Code
	}
	want := map[string]Code{
		"typo": CodeUnknownField, "mos": CodeBadName, "any": CodeBadName, "rate": CodeBadName, "a": CodeMacroCycle, "b": CodeMacroCycle,
		"us": CodeBadName, "two words": CodeBadName, "empty": CodeEmpty, "packetsLost": CodeBadName, "nobody": CodeEmptyList,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got)\n%s", diff)
	}
}
