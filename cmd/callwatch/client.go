package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/rules"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// remote is a running callwatch, asked over its API.
type remote struct {
	url   string // flag; "" for the address callwatch listens on by its configuration
	token config.Secret
}

// addRemote gives a command the flag that says where callwatch runs.
func addRemote(c *cobra.Command, s *settings) func(*cobra.Command) (*remote, error) {
	r := &remote{}
	c.Flags().StringVar(&r.url, "url", "", "address of the running callwatch (default: where this configuration listens)")
	return func(c *cobra.Command) (*remote, error) {
		cfg, err := s.load(c)
		if err != nil {
			return nil, err
		}
		if tokens := cfg.AdminToken.List(); len(tokens) > 0 {
			r.token = config.Secret(tokens[0])
		}
		if r.url == "" {
			r.url = listening(cfg.Listen)
		}
		if u, err := url.Parse(r.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usage(fmt.Errorf("--url: %q is not scheme and host, such as http://127.0.0.1:8080", r.url))
		}
		r.url = strings.TrimSuffix(r.url, "/")
		return r, nil
	}
}

// onRemote makes do what a command does with a running callwatch.
func onRemote(c *cobra.Command, s *settings, do func(c *cobra.Command, r *remote, args []string) error) *cobra.Command {
	connect := addRemote(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := connect(c)
		if err != nil {
			return err
		}
		return do(c, r, args)
	}
	return c
}

// listening is the address under which a listener on this machine is reached.
func listening(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// refusal is an error answer of the API.
type refusal struct {
	Status   int            `json:"status"`
	Title    string         `json:"title"`
	Detail   string         `json:"detail"`
	Problems rules.Problems `json:"problems"`
}

func (r *refusal) Error() string {
	lines := []string{strings.ToLower(r.Title[:1]) + r.Title[1:] + ": " + r.Detail}
	for _, p := range r.Problems {
		lines = append(lines, p.String())
	}
	return printableLines(strings.Join(lines, "\n"))
}

// open makes a request that may take long and returns the body of its answer, which the
// caller closes. The error of a refusal has the exit code, as that of ask.
func (r *remote) open(req *http.Request) (io.ReadCloser, error) {
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	// A redirect could take the token elsewhere.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("callwatch cannot be reached: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", r.url, err)
	}
	return nil, refused(res, answer)
}

// ask sends in, if any, as JSON and reads the answer into out, if any. The error
// has the exit code: 2 where the token is wrong, 1 where callwatch refuses, 4
// where it cannot be reached or fails.
func (r *remote) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+"/api/v1"+path, body)
	if err != nil {
		return usage(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	// A redirect could take the token elsewhere.
	client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("callwatch cannot be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.url, err)
	}
	if res.StatusCode/100 != 2 {
		return refused(res, answer)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.url, err)
	}
	return nil
}

func refused(res *http.Response, answer []byte) error {
	said := &refusal{}
	if json.Unmarshal(answer, said) != nil || said.Title == "" {
		return fmt.Errorf("%s answers %s: is callwatch there?", res.Request.URL.Host, res.Status)
	}
	switch {
	case said.Status == http.StatusUnauthorized || said.Status == http.StatusForbidden:
		return usage(fmt.Errorf("%w (the token is taken from CALLWATCH_ADMIN_TOKEN)", said))
	case said.Status/100 == 5:
		return said
	}
	return problems(said)
}

// person is who acts, unless --by names somebody else: the user of the machine.
func (s *settings) person() string {
	for _, name := range []string{"USER", "USERNAME"} {
		for _, e := range s.environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok && v != "" {
				return v
			}
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "command line"
}

// printableText keeps control characters of a stranger's text from the terminal.
func printableText(s string) string { return printable(s).(string) }

func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printableText(strings.ReplaceAll(lines[i], "\t", " "))
	}
	return strings.Join(lines, "\n")
}
