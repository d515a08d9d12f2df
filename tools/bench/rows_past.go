package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// past measures the commands that read what is stored, each as a whole process on a
// store of -events imported calls on which nothing else runs.
func past(ctx context.Context, o *options) (err error) {
	dir, file := filepath.Join(o.scratch, "past"), filepath.Join(o.scratch, "past.ndjson")
	defer func() { err = errors.Join(err, os.RemoveAll(dir), os.Remove(file)) }()
	if err := fill(ctx, dir, 0, uint64(o.events)); err != nil { //nolint:gosec // a flag that is a count
		return err
	}
	if err := writeEvents(file, o.events); err != nil {
		return fmt.Errorf("write the events to a file: %w", err)
	}
	fmt.Fprintln(o.out, "| command | events a second | wanted |\n| --- | ---: | ---: |")
	commands := []struct {
		args []string
		want float64
	}{
		{[]string{"backtest", "--events", file}, 60_000},
		{[]string{"backtest"}, 100_000},
		{[]string{"rules", "suggest", "mos", "--events", file}, 60_000},
		{[]string{"rules", "suggest", "mos"}, 100_000},
	}
	rates := make([][]float64, len(commands))
	for range o.rounds {
		for i, c := range commands {
			begun := time.Now()
			if said, err := o.command(ctx, dir, c.args...).CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w\n%s", c.args, err, said)
			}
			rates[i] = append(rates[i], float64(o.events)/time.Since(begun).Seconds())
		}
	}
	for i, c := range commands {
		name := fmt.Sprint(c.args[:min(len(c.args), 3)], " of the store")
		if c.args[len(c.args)-1] == file {
			name = fmt.Sprint(c.args[:len(c.args)-2], " of a file")
		}
		fmt.Fprintf(o.out, "| %s | %.0f | %.0f |\n", name, median(rates[i]), c.want)
	}
	return nil
}

// writeEvents writes the events of the same calls to a file.
func writeEvents(file string, n int) error {
	f, err := newFiller(nil, time.Now())
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	for i := range n {
		line := bytes.ReplaceAll(f.event.Data, []byte(number), []byte(digits(uint64(i))))
		line = bytes.Replace(line, []byte(`"id":"`), fmt.Appendf(nil, `"id":"%d-`, i), 1)
		_, _ = w.Write(append(line, '\n')) // Flush has the error
	}
	return errors.Join(w.Flush(), out.Close())
}

// command is a command of callwatch on a data directory.
func (o *options) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, o.binary, append(args, "--data-dir", dir, "--rules", "rules.yaml", "--log-level", "warn")...)
}
