package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/rules"
	"callwatch/stream/disk"
	"callwatch/yamlfile/spelling"
)

// MaxAnswer bounds what is read of an answer, in bytes.
const MaxAnswer = 64 << 20

// Remote is a running callwatch, asked over its API.
type Remote struct {
	URL       string
	Token     config.Secret
	Transport http.RoundTripper // nil: the usual one
	Held      string            // the data directory that made us ask it; "" where its address was given
}

// AddURL gives a command the flag that says which running callwatch it asks.
func AddURL(c *cobra.Command) {
	c.Flags().String("url", "", "address of the running callwatch (default: CALLWATCH_URL, else where this configuration listens)")
}

// Server is the running callwatch that a command asks: that of --url, else of
// CALLWATCH_URL, else the one that listens where this configuration says. given
// reports whether its address was given: a flag that names a store or a file goes over
// the variable.
func (s *Settings) Server(c *cobra.Command, cfg *config.Config) (r *Remote, given bool, err error) {
	r = &Remote{Token: cfg.ClientToken()}
	named := func(flag string) bool { f := c.Flag(flag); return f != nil && f.Changed }
	switch {
	case named("url"):
		r.URL, given = c.Flag("url").Value.String(), true
		if !config.IsAddress(r.URL) {
			return nil, true, Usage(fmt.Errorf("--url: %q is not scheme and host, such as http://127.0.0.1:8080", r.URL))
		}
	case cfg.URL != "" && !slices.ContainsFunc([]string{"data-dir", "nats-url", "events", "payloads"}, named):
		r.URL, given = cfg.URL, true
	default:
		r.URL, r.Transport = Listening(cfg)
	}
	r.URL = strings.TrimSuffix(r.URL, "/")
	return r, given, nil
}

// Place returns the running callwatch that a command is to ask: the one whose address
// was given, else the one that runs on the data directory. nil means that the command
// opens the store itself.
func (s *Settings) Place(c *cobra.Command, cfg *config.Config) (*Remote, error) {
	r, given, err := s.Server(c, cfg)
	switch {
	case err != nil:
		return nil, err
	case given:
		return r, nil
	case cfg.NATS.URL == "" && disk.InUse(cfg.DataDir):
		r.Held = cfg.DataDir
		return r, nil
	}
	return nil, nil //nolint:nilnil // here
}

// OnRemote makes do what a command does with a running callwatch.
func OnRemote(c *cobra.Command, s *Settings, do func(c *cobra.Command, r *Remote, args []string) error) *cobra.Command {
	AddURL(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		r, _, err := s.Server(c, &cfg)
		if err != nil {
			return err
		}
		return do(c, r, args)
	}
	return c
}

// Listening is the address under which the callwatch of a configuration is reached on
// this machine, and how: its certificate is for another name, so the file that both
// have must hold the one that it shows. A file that cannot be read trusts nothing.
func Listening(cfg *config.Config) (address string, transport http.RoundTripper) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	if cfg.TLS.Cert == "" {
		return "http://" + net.JoinHostPort(host, port), nil
	}
	show := &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			text, err := os.ReadFile(cfg.TLS.Cert)
			if err != nil {
				return err
			}
			if block, _ := pem.Decode(text); block == nil || !bytes.Equal(block.Bytes, s.PeerCertificates[0].Raw) {
				return fmt.Errorf("the server shows another certificate than that of %s", cfg.TLS.Cert)
			}
			return nil
		},
	}
	return "https://" + net.JoinHostPort(host, port), &http.Transport{TLSClientConfig: show}
}

// Refusal is an error answer of the API.
type Refusal struct {
	Status   int            `json:"status"`
	Title    string         `json:"title"`
	Detail   string         `json:"detail"`
	Problems rules.Problems `json:"problems"`
}

func (r *Refusal) Error() string {
	lines := []string{strings.ToLower(r.Title[:1]) + r.Title[1:] + ": " + r.Detail}
	for _, p := range r.Problems {
		lines = append(lines, p.String())
	}
	return PrintableLines(strings.Join(lines, "\n"))
}

// Open makes a request that may take long and returns the body of its answer, which the
// caller closes. The error of a refusal has the exit code, as that of ask.
func (r *Remote) Open(req *http.Request) (io.ReadCloser, error) {
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token.Reveal())
	}
	// A redirect could take the token elsewhere.
	client := &http.Client{Transport: r.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, r.Unreachable(err)
	}
	if res.StatusCode/100 == 2 {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", r.URL, err)
	}
	return nil, refused(res, answer)
}

// Ask sends in, if any, as JSON and reads the answer into out, if any. The error
// has the exit code: 2 where the token is wrong, 1 where callwatch refuses, 4
// where it cannot be reached or fails.
func (r *Remote) Ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL+"/api/v1"+path, body)
	if err != nil {
		return Usage(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token.Reveal())
	}
	// A redirect could take the token elsewhere.
	client := &http.Client{Transport: r.Transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return r.Unreachable(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.URL, err)
	}
	if res.StatusCode/100 != 2 {
		return refused(res, answer)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.URL, err)
	}
	return nil
}

// Unreachable is the error where nothing answers.
func (r *Remote) Unreachable(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if r.Held != "" {
		return fmt.Errorf("a callwatch runs on %s, but cannot be reached at %s: %w; give its address with --url or CALLWATCH_URL", r.Held, r.URL, err)
	}
	return fmt.Errorf("callwatch cannot be reached at %s: %w; start it with callwatch serve, or give its address with --url or CALLWATCH_URL", r.URL, err)
}

func refused(res *http.Response, answer []byte) error {
	said := &Refusal{}
	if json.Unmarshal(answer, said) != nil || said.Title == "" {
		return fmt.Errorf("%s answers %s: is callwatch there?", res.Request.URL.Host, res.Status)
	}
	switch {
	case said.Status == http.StatusUnauthorized || said.Status == http.StatusForbidden:
		return Usage(fmt.Errorf("%w (the token is taken from CALLWATCH_TOKEN, else CALLWATCH_ADMIN_TOKEN)", said))
	case said.Status/100 == 5:
		return said
	}
	return Problems(said)
}

// Person is who acts, unless --by names somebody else: the user of the machine.
func (s *Settings) Person() string {
	for _, name := range []string{"USER", "USERNAME"} {
		for _, e := range s.Environ {
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

// NoProvider is the error where a provider is not known.
func NoProvider(known normalizer.Registry, name string) error { return NoneOf(name, known.Names()) }

// NoneOf is the error where a word is none of those that are known.
func NoneOf(word string, known []string) error {
	if word == "" {
		return fmt.Errorf("name one of %s", strings.Join(known, ", "))
	}
	hint := ""
	if near := spelling.Nearest(word, known); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return fmt.Errorf("%q is none of %s%s", word, strings.Join(known, ", "), hint)
}

// Work has it do work on what is stored and reads the result into out.
func (r *Remote) Work(ctx context.Context, name string, params url.Values, body io.Reader, out any, progress func(done, total int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/api/v1/work/"+url.PathEscape(name)+"?"+params.Encode(), body)
	if err != nil {
		return Usage(err)
	}
	answer, err := r.Open(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	for lines := json.NewDecoder(io.LimitReader(answer, MaxAnswer)); ; {
		var line handlers.WorkLine
		switch err := lines.Decode(&line); {
		case err != nil:
			return fmt.Errorf("read the answer of %s: %w", r.URL, err)
		case line.Refused:
			return Problems(errors.New(PrintableLines(line.Error)))
		case line.Error != "":
			return errors.New(PrintableLines(line.Error))
		case line.Result != nil:
			return json.Unmarshal(line.Result, out)
		}
		progress(line.Done, line.Total)
	}
}
