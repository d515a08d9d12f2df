package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// settings reads the configuration for a command: the flags that were given, over
// what readConfig finds.
type settings struct {
	environ    []string
	providers  normalizer.Registry
	simulators simulate.Sources
	file       string
	flags      config.Config
}

func (s *settings) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&s.file, "config", "", "configuration file (default callwatch.yaml where there is one)")
	f.StringVar(&s.flags.DataDir, "data-dir", "", "where the embedded store keeps its data")
	f.StringVar(&s.flags.Rules, "rules", "", "rules file")
	f.StringVar(&s.flags.NATS.URL, "nats-url", "", "an existing NATS JetStream; empty is the embedded one")
	f.StringVar(&s.flags.LogLevel, "log-level", "", "debug, info, warn or error")
}

// load is the checked configuration of a command.
func (s *settings) load(c *cobra.Command) (config.Config, error) {
	cfg, err := config.Read(s.file, s.environ, s.providers)
	if err != nil {
		return cfg, usage(err)
	}
	for flag, set := range map[string]func(){
		"listen":      func() { cfg.Listen = s.flags.Listen },
		"data-dir":    func() { cfg.DataDir = s.flags.DataDir },
		"rules":       func() { cfg.Rules = s.flags.Rules },
		"nats-url":    func() { cfg.NATS.URL = s.flags.NATS.URL },
		"nats-listen": func() { cfg.NATS.Listen = s.flags.NATS.Listen },
		"log-level":   func() { cfg.LogLevel = s.flags.LogLevel },
		"fetch-for":   func() { cfg.FetchFor = s.flags.FetchFor },
		"audit":       func() { cfg.Audit = s.flags.Audit },
		"sweep":       func() { cfg.Sweep = s.flags.Sweep },
	} {
		if f := c.Flag(flag); f != nil && f.Changed {
			set()
		}
	}
	if err := cfg.Check(); err != nil {
		return cfg, usage(err)
	}
	return cfg, nil
}

// logger writes text for people and JSON for collectors.
func logger(w io.Writer, level string, json bool) (*slog.Logger, error) {
	l, err := config.Level(level)
	if err != nil {
		return nil, usage(err)
	}
	opts := &slog.HandlerOptions{Level: l}
	if json {
		return slog.New(maskingHandler{slog.NewJSONHandler(w, opts)}), nil
	}
	return slog.New(maskingHandler{slog.NewTextHandler(w, opts)}), nil
}
