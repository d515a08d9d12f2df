package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

// Row is one line of the scorecard.
type Row struct {
	Number  int
	Name    string
	Fault   string
	Promise string // the number to reach
	Root    bool   // needs privileges
	Long    bool   // left out of `all -short`
	Run     func(*Trial) error
}

// Trial is one run of a row.
type Trial struct {
	context.Context
	Settings
	Row    Row
	Out    io.Writer
	Dir    string // of all its files
	Counts []string

	Verdict checker.Verdict     // of the checker, once it has judged
	Variant variants.Variant    // of callwatch that is run; none is plain
	Enable  []variants.Mutation // that belong to the row itself
}

// Settings of one invocation.
type Settings struct {
	Seed   uint64
	Cycles int           // 0: the row's own
	Length time.Duration // 0: the row's own
	Short  bool
	Mutate variants.Mutation
	Record string
	Keep   bool

	Mutations bool   // each row also with each of its mutations
	Binaries  string // directory that keeps what is built
	Builds    *variants.Builds
}

var (
	ErrSkipped = errors.New("skipped")
	ErrSetup   = errors.New("the run could not be made") // says nothing about the promise
)

// Skip ends a row that cannot run here, with the reason.
func Skip(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSkipped, fmt.Sprintf(format, args...))
}

// Say prints a line about what is being done.
func (t *Trial) Say(format string, args ...any) {
	fmt.Fprintf(t.Out, "%s  %s\n", t.Row.Name, fmt.Sprintf(format, args...))
}

// Count adds a figure of the row's own to its last line.
func (t *Trial) Count(format string, args ...any) {
	t.Counts = append(t.Counts, fmt.Sprintf(format, args...))
}

// Times is how often to make the fault: as asked for, else the row's number.
func (t *Trial) Times(short, full int) int {
	switch {
	case t.Cycles > 0:
		return t.Cycles
	case t.Short:
		return short
	default:
		return full
	}
}

// Span is how long to go on: as asked for, else the row's own time.
func (t *Trial) Span(short, full time.Duration) time.Duration {
	switch {
	case t.Length > 0:
		return t.Length
	case t.Short:
		return short
	default:
		return full
	}
}

// Patience is how long nothing may move before a run gives up. A mutated product
// may never get there.
func (t *Trial) Patience() time.Duration {
	if t.Mutate != variants.None {
		return 10 * time.Second
	}
	return t.Span(time.Minute, 5*time.Minute)
}

// Finish waits until all is announced, stops callwatch and lets the checker judge.
func (t *Trial) Finish(p *Product, w *checker.Client, format string, args ...any) error {
	unsettled := p.Settled(t.Patience())
	if err := p.Stop(); err != nil {
		return err
	}
	t.Count(format, args...)
	v, err := w.Verify(p.Data)
	if err != nil {
		return err
	}
	return errors.Join(t.Judged(v), unsettled)
}

// Judged puts a verdict into the row's last line; it is an error where a promise
// was broken.
func (t *Trial) Judged(v checker.Verdict) error {
	t.Verdict = v
	t.Count("%d acknowledged, %d stored, %d incidents", v.Acked, v.Stored, v.Opened)
	t.Count("lost %d, twice %d, unexplained %d", v.Lost+v.Missing, v.Twice+v.Extra, v.Unknown+v.Wrong)
	if v.Unreadable+v.Dead > 0 {
		t.Count("%d of %d dead letters", v.Unreadable-v.DeadLost, v.Unreadable)
	}
	for _, s := range v.Sample {
		t.Say("%s", s)
	}
	switch {
	case v.Acked == 0:
		return errors.New("nothing was acknowledged: the run shows nothing")
	case !v.Fine():
		return fmt.Errorf("%d webhooks lost, %d incidents missing, %d not due, %d twice, %d messages or transitions unexplained, %d threads in a wrong state, %d dead letters missing, %d not due",
			v.Lost, v.Missing, v.Extra, v.Twice, v.Unknown, v.Wrong, v.DeadLost, v.DeadExtra)
	default:
		return nil
	}
}
