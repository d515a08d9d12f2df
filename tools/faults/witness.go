package main

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

// witnessCommand starts this program as the witness: a process of its own that
// keeps what was acknowledged and what Slack got, and compares at the end. It
// takes a line for each 200 and orders in JSON on its input.
const witnessCommand = "witness"

// order is what the witness is to do; the answer is one line of JSON.
type order struct {
	Slack  *slackFaults `json:"slack,omitempty"`
	Verify string       `json:"verify,omitempty"` // a data directory that nobody has open
	Storm  bool         `json:"storm,omitempty"`  // incidents may be told in storms
	Posts  bool         `json:"posts,omitempty"`  // tell how Slack was called
}

// answer of the witness to an order.
type answer struct {
	Error   string   `json:"error,omitempty"`
	Verdict *verdict `json:"verdict,omitempty"`
	Posts   *posts   `json:"posts,omitempty"`
}

// book is what the witness has seen.
type book struct {
	ledger *bufio.Writer
	file   *os.File
	acked  map[string]string // digest of the body by raw id
	double []string          // ids that were given to two webhooks
	slack  *slackfake.Server
	outage *outage
}

// witness serves the fake Slack and takes lines until its input ends.
func witness(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("one argument: the directory of its ledger")
	}
	file, err := os.Create(filepath.Join(args[0], "ledger"))
	if err != nil {
		return err
	}
	b := &book{file: file, ledger: bufio.NewWriter(file), acked: map[string]string{}, outage: newOutage()}
	b.slack = slackfake.New(slackfake.Config{Now: time.Now, Channels: []string{"#voice"}, Token: "xoxb-test"})
	b.slack.SetFault(b.outage.fault)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: b.slack, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	fmt.Fprintf(out, "http://%s/api/\n", l.Addr())

	lines := bufio.NewReaderSize(in, 1<<20)
	answers := json.NewEncoder(out)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return b.close()
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "ack ") {
			if err := b.note(line); err != nil {
				return err
			}
			continue
		}
		var o order
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			return fmt.Errorf("order %.100q: %w", line, err)
		}
		if err := answers.Encode(b.obey(ctx, o)); err != nil {
			return err
		}
	}
}

func (b *book) note(line string) error {
	f := strings.Fields(line)
	if len(f) != 4 {
		return fmt.Errorf("line %.100q", line)
	}
	id, sum := f[1], f[3]
	if _, known := b.acked[id]; known {
		b.double = append(b.double, id)
	}
	b.acked[id] = sum
	_, err := b.ledger.WriteString(line)
	return err
}

func (b *book) close() error {
	return errors.Join(b.ledger.Flush(), b.file.Sync(), b.file.Close())
}

func (b *book) obey(ctx context.Context, o order) (a answer) {
	var err error
	switch {
	case o.Slack != nil:
		err = b.outage.set(*o.Slack, b.slack)
	case o.Posts:
		a.Posts = b.posts()
	case o.Verify != "":
		if err = errors.Join(b.ledger.Flush(), b.file.Sync()); err == nil {
			a.Verdict, err = b.verify(ctx, o.Verify, o.Storm)
		}
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
