package cli

import (
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// Settings reads the configuration for a command: the flags that were given, over
// what config.Read finds.
type Settings struct {
	Environ    []string
	Providers  normalizer.Registry
	Simulators simulate.Sources
	File       string
	Flags      config.Config
	Colour     ColourMode
}

func (s *Settings) AddFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&s.File, "config", "", "configuration file (default callwatch.yaml where there is one)")
	f.StringVar(&s.Flags.DataDir, "data-dir", "", "where the embedded store keeps its data")
	f.StringVar(&s.Flags.Rules, "rules", "", "rules file, read with rules.d beside it, or a folder of rules files")
	f.StringVar(&s.Flags.NATS.URL, "nats-url", "", "an existing NATS JetStream; empty is the embedded one")
	s.Colour = auto
	f.Var(&s.Colour, "color", "auto, always or never; auto colours on a terminal, unless NO_COLOR is set, and elsewhere with CLICOLOR_FORCE")
	f.StringVar(&s.Flags.LogLevel, "log-level", "", "debug, info, warn or error")
}

// Load is the checked configuration of a command.
func (s *Settings) Load(c *cobra.Command) (config.Config, error) {
	cfg, err := config.Read(s.File, s.Environ, s.Providers)
	if err != nil {
		return cfg, Usage(err)
	}
	for flag, set := range map[string]func(){
		"listen":      func() { cfg.Listen = s.Flags.Listen },
		"data-dir":    func() { cfg.DataDir = s.Flags.DataDir },
		"rules":       func() { cfg.Rules = s.Flags.Rules },
		"nats-url":    func() { cfg.NATS.URL = s.Flags.NATS.URL },
		"nats-listen": func() { cfg.NATS.Listen = s.Flags.NATS.Listen },
		"log-level":   func() { cfg.LogLevel = s.Flags.LogLevel },
		"fetch-for":   func() { cfg.FetchFor = s.Flags.FetchFor },
		"audit":       func() { cfg.Audit = s.Flags.Audit },
		"sweep":       func() { cfg.Sweep = s.Flags.Sweep },
	} {
		if f := c.Flag(flag); f != nil && f.Changed {
			set()
			path := strings.ReplaceAll(flag, "-", "_")
			if group, ok := strings.CutPrefix(path, "nats_"); ok {
				path = "nats." + group
			}
			cfg.Given(path, "--"+flag)
		}
	}
	if err := cfg.Check(); err != nil {
		return cfg, Usage(err)
	}
	return cfg, nil
}

// Logger writes text for people and JSON for collectors.
func Logger(w io.Writer, level string, json bool) (*slog.Logger, error) {
	l, err := config.Level(level)
	if err != nil {
		return nil, Usage(err)
	}
	opts := &slog.HandlerOptions{Level: l}
	if json {
		return slog.New(maskingHandler{slog.NewJSONHandler(w, opts)}), nil
	}
	return slog.New(maskingHandler{slog.NewTextHandler(w, opts)}), nil
}
