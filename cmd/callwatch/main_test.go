package main

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be callwatch itself: scripts and the tests that
// kill it run it as a process of its own.
func TestMain(m *testing.M) {
	if pace := os.Getenv("CALLWATCH_TEST_PACE"); pace != "" {
		os.Exit(runPaced(pace))
	}
	if os.Getenv("CALLWATCH_TEST_RUN") == "1" {
		_ = os.Unsetenv("CALLWATCH_TEST_RUN")
		main()
	}
	testscript.Main(m, map[string]func(){"callwatch": main})
}

// Scripts are what a person types and what they are told.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			rules, err := os.ReadFile("../../rules.yaml")
			if err != nil {
				return err
			}
			return os.WriteFile(e.WorkDir+"/shipped.yaml", rules, 0o644)
		},
	})
}

// exits runs callwatch and wants a certain exit code: `exits 3 rules check --strict FILE`.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("callwatch", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit %d, want %d", got, want)
	}
}

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
