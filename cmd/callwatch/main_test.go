package main

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be callwatch itself: scripts and the tests that
// kill it run it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CALLWATCH_TEST_RUN") == "1" {
		_ = os.Unsetenv("CALLWATCH_TEST_RUN")
		os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"callwatch": main})
}

// Scripts are what a person types and what they are told.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			rules, err := os.ReadFile("../../rules.yaml")
			if err != nil {
				return err
			}
			return os.WriteFile(e.WorkDir+"/shipped.yaml", rules, 0o644)
		},
	})
}

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
