package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/normalizer"
)

func eventsCommand(s *settings) *cobra.Command {
	return commandGroup("events", "Look at normalized events",
		eventsNormalizeCommand(s), eventsTailCommand(s))
}

func eventsNormalizeCommand(s *settings) *cobra.Command {
	var provider, contentType, source string
	var headers []string
	c := &cobra.Command{
		Use:   "normalize FILE|-",
		Short: "Show at once what a provider's body becomes",
		Long: "Show at once which events a provider's body becomes, as a JSON array. Signatures are not checked.\n" +
			"A body of a kind that is acknowledged and ignored gives []; one that cannot be normalized ends with exit 1 and the reason.",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&provider, "provider", "", "whose body it is: "+strings.Join(s.providers.Names(), ", "))
	c.Flags().StringVar(&contentType, "content-type", "", "content type of the body (default: guessed)")
	c.Flags().StringVar(&source, "source", "", "webhook, fetch or import: how the body came (default: webhook)")
	c.Flags().StringArrayVar(&headers, "header", nil, "a request header, as Name: value; may be repeated")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, ok := s.providers.Find(provider)
		if !ok {
			return usage(fmt.Errorf("--provider: %q is none of %s", provider, strings.Join(s.providers.Names(), ", ")))
		}
		body, err := readInput(c.InOrStdin(), args[0])
		if err != nil {
			return usage(err)
		}
		header, err := parseHeaders(headers)
		if err != nil {
			return usage(err)
		}
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if contentType == "" {
			contentType = guessContentType(args[0], body)
		}
		b := normalizer.Body{
			Provider: p.Name, Source: normalizer.Pushed, ContentType: contentType, Header: header,
			Bytes: body, ReceivedAt: time.Now().UTC(),
		}
		if source != "" {
			b.Source = normalizer.Source(source)
		}
		events, err := normalizer.Events(p, &b, cfg.Normalizing())
		if err != nil {
			return problems(err)
		}
		return printEvents(c.OutOrStdout(), *o, events)
	}
	return c
}

// readInput reads a file, or standard input for "-", up to the largest body that
// is taken over HTTP.
func readInput(stdin io.Reader, name string) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxBody {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxBody)
	}
	return b, nil
}

func parseHeaders(lines []string) (map[string]string, error) {
	h := map[string]string{}
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return nil, fmt.Errorf("--header: %q is not Name: value", l)
		}
		h[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return h, nil
}

// guessContentType goes by the file's name, else by the first byte.
func guessContentType(name string, body []byte) string {
	const form = "application/x-www-form-urlencoded"
	name = strings.TrimSuffix(name, ".txt")
	switch filepath.Ext(name) {
	case ".form":
		return form
	case ".json":
		return "application/json"
	}
	switch t := bytes.TrimLeft(body, " \t\r\n"); {
	case len(t) > 0 && (t[0] == '{' || t[0] == '['):
		return "application/json"
	case bytes.ContainsRune(body, '='):
		return form
	}
	return "application/json"
}

func printEvents(w io.Writer, o output, events []call.Event) error {
	if events == nil {
		events = []call.Event{}
	}
	if o == human {
		o = asJSON
	}
	return printAll(w, o, events, nil)
}
