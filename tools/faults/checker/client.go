package checker

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

// Client is the checker as the other processes see it.
type Client struct {
	Slack string // address of its fake Slack

	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts this program as the checker, which keeps its ledger in a directory; Close ends it.
func Start(dir string) (*Client, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &Client{cmd: exec.Command(exe, Command, dir)}
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
		return nil, errors.Join(err, w.Close())
	}
	w.Slack = strings.TrimSpace(line)
	return w, nil
}

// Close ends the checker.
func (w *Client) Close() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }

// Acked reports a 200. A checker that is gone shows at the next order.
func (w *Client) Acked(id, provider string, body []byte) {
	line := fmt.Sprintf("ack %s %s %s\n", id, provider, digest(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.in, line)
}

func (w *Client) order(o order) (a answer, err error) {
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

// Verify compares the ledger with the store in dir and with Slack.
func (w *Client) Verify(dir string) (Verdict, error) {
	a, err := w.order(order{Verify: dir})
	if err != nil {
		return Verdict{}, err
	}
	return *a.Verdict, nil
}

// VerifyStorm does so where incidents may be listed in storms.
func (w *Client) VerifyStorm(dir string) (Verdict, error) {
	a, err := w.order(order{Verify: dir, Storm: true})
	if err != nil {
		return Verdict{}, err
	}
	return *a.Verdict, nil
}

// Faults makes the fake Slack behave so from now on.
func (w *Client) Faults(f SlackFaults) error {
	_, err := w.order(order{Slack: &f})
	return err
}

// Posts returns how Slack was called so far.
func (w *Client) Posts() (Posts, error) {
	a, err := w.order(order{Posts: true})
	if err != nil {
		return Posts{}, err
	}
	return *a.Posts, nil
}
