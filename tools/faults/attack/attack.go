// Package attack is senders that mean harm, in a process of their own, so that their work does not
// delay the good senders whose times are measured.
package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/tools/faults/rig"
)

// Command starts this program as the attackers.
const Command = "attack"

// bombSize is what a bomb grows to.
const bombSize = 256 << 20

// Onslaught is how many attackers of each kind there are at the same time.
type Onslaught struct {
	Address string
	Token   string // of an operator, for drafts
	Slow    int    // senders of slow forms and headers
	Conns   int    // connections held open
	Drafts  int    // clients with hostile drafts of rules
	Bombs   int    // senders of what grows when it is read, and of the largest bodies
	Floods  int    // senders of bad signatures
}

// Tally is what they did so far.
type Tally struct {
	Slow, Held, Drafts, Judged, Bombed, Flooded, Sent int64
	Taken                                             int64 // bad signatures that were accepted
}

// Run attacks until its input ends, and prints every now and then what was done.
func Run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var o Onslaught
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &o) != nil {
		return errors.New("one argument: an onslaught in JSON")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	c := crowd{address: o.Address, token: o.Token}
	if o.Bombs > 0 {
		var err error
		if c.bomb, err = gzipped(bombSize); err != nil {
			return err
		}
	}
	var attackers sync.WaitGroup
	if o.Conns > 0 {
		attackers.Go(func() { c.hold(ctx, o.Conns) })
	}
	for _, k := range []struct {
		n  int
		do func(i int)
	}{
		{o.Slow, func(i int) { c.slow(ctx, i) }},
		{o.Drafts, func(i int) { c.draft(ctx, uint64(i)) }},
		{o.Bombs, func(int) { c.bombs(ctx) }},
		{o.Floods, func(int) { c.floods(ctx) }},
	} {
		for i := range k.n {
			attackers.Go(func() { k.do(i) })
		}
	}
	lines, d := json.NewEncoder(out), &c.done
	for ctx.Err() == nil {
		rig.Pause(ctx, 200*time.Millisecond)
		err := lines.Encode(Tally{d.slow.Load(), d.held.Load(), d.drafts.Load(), d.judged.Load(), d.bombed.Load(), d.flooded.Load(), d.sent.Load(), d.taken.Load()})
		if err != nil {
			break
		}
	}
	stop()
	attackers.Wait()
	return nil
}

// Process is the attackers as the others see them.
type Process struct {
	cmd  *exec.Cmd
	in   io.Closer
	done chan error
	last atomic.Pointer[Tally]
}

// Start starts the process. Others' computers have processors of their own: where this one can,
// it gives the attackers what callwatch and the good senders leave.
func Start(o Onslaught) (*Process, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, Command, string(b)}
	for _, lowest := range [][]string{{"nice", "-n", "10"}, {"chrt", "--other", "0"}} { // whatever this process has
		if _, err := exec.LookPath(lowest[0]); err == nil {
			args = append(lowest, args...)
		}
	}
	a := &Process{cmd: exec.Command(args[0], args[1:]...), done: make(chan error, 1)}
	a.cmd.Stderr = os.Stderr
	a.last.Store(&Tally{})
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		for lines := json.NewDecoder(out); ; {
			var n Tally
			if err := lines.Decode(&n); err != nil {
				break
			}
			a.last.Store(&n)
		}
		a.done <- a.cmd.Wait()
	}()
	return a, nil
}

// Done is what was done so far.
func (a *Process) Done() Tally { return *a.last.Load() }

// End ends the attack; it returns what was done.
func (a *Process) End() (Tally, error) {
	_ = a.in.Close()
	killer := time.AfterFunc(20*time.Second, func() { _ = a.cmd.Process.Kill() })
	defer killer.Stop()
	if err := <-a.done; err != nil {
		return a.Done(), fmt.Errorf("attackers: %w", err)
	}
	return a.Done(), nil
}
