package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/registry"
)

// TestMain lets the test binary be callwatch itself: scripts and the tests that
// kill it run it as a process of its own. Most tests wait far more than they
// compute, so that more of them run at a time than there are cores; under the race
// detector they compute, and the cores are what bounds them.
func TestMain(m *testing.M) {
	if !raceDetector {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))) // -parallel wins
	}
	if pace := os.Getenv("CALLWATCH_TEST_PACE"); pace != "" {
		os.Exit(runPaced(pace))
	}
	if os.Getenv("CALLWATCH_TEST_RUN") == "1" {
		_ = os.Unsetenv("CALLWATCH_TEST_RUN")
		main()
	}
	testscript.Main(m, map[string]func(){"callwatch": main})
}

// executable is the program that tests run as a process of its own. The race
// detector sees nothing there that it does not see in this process, and makes each
// start take seconds, so the program is built without it.
var executable = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil || !raceDetector {
		return self, err
	}
	plain := filepath.Join(filepath.Dir(self), "plain.test") // go test removes the folder
	out, err := exec.Command("go", "test", "-c", "-o", plain, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build without the race detector: %w\n%s", err, out)
	}
	return plain, nil
})

// long skips a test that takes seconds of computing, a browser, several processes, or a callwatch
// that is started; one of these stays in short runs.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() && t.Name() != "TestDeclaredProviderAlertsInSlack" {
		t.Skip("takes long")
	}
}

// defaultConfig is the configuration where nothing is set.
func defaultConfig() config.Config { return config.Default(registry.Providers()) }

// child is a command of callwatch as a process of its own.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Dir = t.TempDir()
	return c
}

// Scripts are what a person types and what they are told.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			if raceDetector {
				if err := runPlain(e); err != nil {
					return err
				}
			}
			rules, err := os.ReadFile("../../rules.yaml")
			if err != nil {
				return err
			}
			return os.WriteFile(e.WorkDir+"/shipped.yaml", rules, 0o644)
		},
	})
}

// runPlain has a script run the program that is built without the race detector.
func runPlain(e *testscript.Env) error {
	exe, err := executable()
	if err != nil {
		return err
	}
	bin := filepath.Join(e.WorkDir, ".bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
	return os.Link(exe, filepath.Join(bin, "callwatch"))
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
