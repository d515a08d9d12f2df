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

// checker is the checker as the other processes see it.
type checker struct {
	slack string // address of its fake Slack

	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// checker starts the checker; close ends it.
func (t *trial) checker() (*checker, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &checker{cmd: exec.Command(exe, checkerCommand, t.dir)}
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

func (w *checker) close() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }

// acked reports a 200. A checker that is gone shows at the next order.
func (w *checker) acked(id, provider string, body []byte) {
	line := fmt.Sprintf("ack %s %s %s\n", id, provider, digest(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.in, line)
}

func (w *checker) order(o order) (a answer, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := json.NewEncoder(w.in).Encode(o); err != nil {
		return a, fmt.Errorf("checker: %w", err)
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("checker: %w", err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("checker: %w", err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("checker: %s", a.Error)
	}
	return a, nil
}

// verify compares the ledger with the store in dir and with Slack.
func (w *checker) verify(dir string) (verdict, error) {
	a, err := w.order(order{Verify: dir})
	if err != nil {
		return verdict{}, err
	}
	return *a.Verdict, nil
}

// faults makes the fake Slack behave so from now on.
func (w *checker) faults(f slackFaults) error {
	_, err := w.order(order{Slack: &f})
	return err
}

// posts returns how Slack was called so far.
func (w *checker) posts() (posts, error) {
	a, err := w.order(order{Posts: true})
	if err != nil {
		return posts{}, err
	}
	return *a.Posts, nil
}
