package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// witnessed is the witness as the other processes see it.
type witnessed struct {
	slack string // address of its fake Slack

	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// witness starts the witness; close ends it.
func (t *trial) witness() (*witnessed, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &witnessed{cmd: exec.Command(exe, witnessCommand, t.dir)}
	w.cmd.Stderr = os.Stderr
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReaderSize(out, 1<<20)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := w.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.slack = strings.TrimSpace(line)
	return w, nil
}

func (w *witnessed) close() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }

// acked tells of a 200. A witness that is gone shows at the next order.
func (w *witnessed) acked(id, provider string, body []byte) {
	line := fmt.Sprintf("ack %s %s %s\n", id, provider, digest(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.in, line)
}

func (w *witnessed) order(o order) (a answer, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := json.NewEncoder(w.in).Encode(o); err != nil {
		return a, fmt.Errorf("witness: %w", err)
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("witness: %w", err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("witness: %w", err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("witness: %s", a.Error)
	}
	return a, nil
}

// verify compares the ledger with the store in dir and with Slack.
func (w *witnessed) verify(dir string) (verdict, error) {
	a, err := w.order(order{Verify: dir})
	if err != nil {
		return verdict{}, err
	}
	return *a.Verdict, nil
}

// faults makes the fake Slack behave so from now on.
func (w *witnessed) faults(f slackFaults) error {
	_, err := w.order(order{Slack: &f})
	return err
}

// posts tells how Slack was called so far.
func (w *witnessed) posts() (posts, error) {
	a, err := w.order(order{Posts: true})
	if err != nil {
		return posts{}, err
	}
	return *a.Posts, nil
}
