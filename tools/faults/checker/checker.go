// Package checker keeps what was answered 200 and serves the Slack that fails, in a process of its own, and
// compares at the end what is stored and announced with what the stored webhooks imply.
package checker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"callwatch/notifier/slackfake"
)

// Command starts this program as the checker: a process of its own that
// keeps what was acknowledged and what Slack got, and compares at the end. It
// takes a line for each 200 and orders in JSON on its input.
const Command = "checker"

// order is what the checker is to do; the answer is one line of JSON.
type order struct {
	Slack  *SlackFaults `json:"slack,omitempty"`
	Verify string       `json:"verify,omitempty"` // a data directory that nobody has open
	Storm  bool         `json:"storm,omitempty"`  // incidents may be listed in storms
	Posts  bool         `json:"posts,omitempty"`  // report how Slack was called
}

// answer of the checker to an order.
type answer struct {
	Error   string   `json:"error,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
	Posts   *Posts   `json:"posts,omitempty"`
}

// ledger is what the checker has seen.
type ledger struct {
	lines  *bufio.Writer // into file
	file   *os.File
	acked  map[string]string // digest of the body by raw id
	double []string          // ids that were given to two different webhooks
	slack  *slackfake.Server
	outage *outage
}

// Run serves the fake Slack and takes lines until its input ends.
func Run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("one argument: the directory of its ledger")
	}
	file, err := os.Create(filepath.Join(args[0], "ledger"))
	if err != nil {
		return err
	}
	l := &ledger{file: file, lines: bufio.NewWriter(file), acked: map[string]string{}, outage: newOutage()}
	l.slack = slackfake.New(slackfake.Config{Now: time.Now, Channels: []string{"#voice"}, Token: "xoxb-test"})
	l.slack.SetFault(l.outage.fault)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: l.slack, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	defer func() { _ = srv.Close() }()
	fmt.Fprintf(out, "http://%s/api/\n", listener.Addr())

	lines := bufio.NewReaderSize(in, 1<<20)
	answers := json.NewEncoder(out)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return l.close()
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "ack ") {
			if err := l.note(line); err != nil {
				return err
			}
			continue
		}
		var o order
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			return fmt.Errorf("order %.100q: %w", line, err)
		}
		if err := answers.Encode(l.obey(ctx, o)); err != nil {
			return err
		}
	}
}

func (l *ledger) note(line string) error {
	f := strings.Fields(line)
	if len(f) != 4 {
		return fmt.Errorf("line %.100q", line)
	}
	id, sum := f[1], f[3]
	if had, known := l.acked[id]; known && had != sum { // a copy of a request gets the id of the first
		l.double = append(l.double, id)
	}
	l.acked[id] = sum
	_, err := l.lines.WriteString(line)
	return err
}

func (l *ledger) close() error {
	return errors.Join(l.lines.Flush(), l.file.Sync(), l.file.Close())
}

func (l *ledger) obey(ctx context.Context, o order) (a answer) {
	var err error
	switch {
	case o.Slack != nil:
		err = l.outage.set(*o.Slack, l.slack)
	case o.Posts:
		a.Posts = l.posts()
	case o.Verify != "":
		if err = errors.Join(l.lines.Flush(), l.file.Sync()); err == nil {
			a.Verdict, err = l.verify(ctx, o.Verify, o.Storm)
		}
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
