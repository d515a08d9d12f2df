package variants

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// ClockFile is where a callwatch built with a clock of its own reads how many
// seconds to add to the time.
const ClockFile = "CALLWATCH_FAULT_CLOCK"

// addClock adds a wall clock that can be set: that of the whole process, its
// embedded server included. Timers run on undisturbed, as they do when an operator
// sets a machine's clock.
func (o *overlay) addClock(ctx context.Context, root string) error {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	file, err := parseFile(filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go"))
	if err != nil {
		return err
	}
	now := edit{"time.Now", behind("runtimeNow", "sec += Step")}
	f, splices, err := now.find([]*sourceFile{file})
	if err != nil {
		return err
	}
	main := filepath.Join(root, "cmd", "callwatch", "zz_clock.go")
	o.files[file.path] = f.file.spliced(file.tree.FileStart, file.tree.FileEnd, splices) + "\nvar Step int64\n"
	o.files[main] = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	read := func() {
		b, _ := os.ReadFile(os.Getenv("` + ClockFile + `"))
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
			time.Step = n
		}
	}
	read()
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			read()
		}
	}()
}
`
	return nil
}
