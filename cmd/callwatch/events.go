package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer"
)

func eventsCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("events", "Look at normalized events",
		eventsNormalizeCommand(s), eventsTailCommand(s))
}

func eventsNormalizeCommand(s *cli.Settings) *cobra.Command {
	var provider, contentType, source string
	var headers []string
	c := &cobra.Command{
		Use:   "normalize FILE|-",
		Short: "Show at once what a provider's body becomes",
		Long: "Show at once which events a provider's body becomes, as a JSON array. Signatures are not checked.\n" +
			"A body of a kind that is acknowledged and ignored gives []; one that cannot be normalized ends with exit 1 and the reason.",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&provider, "provider", "", "whose body it is: "+strings.Join(s.Providers.Names(), ", "))
	c.Flags().StringVar(&contentType, "content-type", "", "content type of the body (default: guessed)")
	c.Flags().StringVar(&source, "source", "", "webhook, fetch or import: how the body came (default: webhook)")
	c.Flags().StringArrayVar(&headers, "header", nil, "a request header, as Name: value; may be repeated")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		p, ok := cfg.Registry.Find(provider)
		if !ok {
			return cli.Usage(fmt.Errorf("--provider: %w", cli.NoProvider(cfg.Registry, provider)))
		}
		if ways := []string{string(normalizer.Pushed), string(normalizer.Fetched), string(normalizer.Imported)}; source != "" && !slices.Contains(ways, source) {
			return cli.Usage(fmt.Errorf("--source: %w", cli.NoneOf(source, ways)))
		}
		body, err := cli.ReadInput(c.InOrStdin(), args[0])
		if err != nil {
			return cli.Usage(err)
		}
		header, err := parseHeaders(headers)
		if err != nil {
			return cli.Usage(err)
		}
		if contentType == "" {
			contentType = cli.GuessContentType(args[0], body)
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
			return cli.Problems(err)
		}
		return printEvents(c.OutOrStdout(), *o, events)
	}
	return c
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

func printEvents(w io.Writer, o cli.Output, events []call.Event) error {
	if events == nil {
		events = []call.Event{}
	}
	if o == cli.Human {
		o = cli.JSON
	}
	return cli.PrintAll(w, o, events, nil)
}
