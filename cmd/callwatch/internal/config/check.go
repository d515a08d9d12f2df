package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/call/emodel"
	"callwatch/normalizer"
	"callwatch/pipeline"
)

// Check refuses what can never work, naming the setting.
func (c *Config) Check() error {
	var errs []error
	add := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s%s: %s", Prefix, name, fmt.Sprintf(format, args...)))
	}
	if c.Durability != "fsync" && c.Durability != "os" {
		add("DURABILITY", "%q is neither fsync nor os", c.Durability)
	}
	if !slices.Contains([]call.Prefer{call.PreferProvider, call.PreferEstimate, call.PreferWorst}, c.MOS) {
		add("MOS", "%q is none of provider, estimate, worst", c.MOS)
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
			add("PUBLIC_URL", "%q is not scheme and host, such as https://hooks.example.com", c.PublicURL)
		}
	}
	if c.FetchFor <= 0 || c.FetchFor > pipeline.LongestFetch {
		add("FETCH_FOR", "%v is not above 0 and up to %v", c.FetchFor, pipeline.LongestFetch)
	}
	if c.Audit != 0 && c.Audit < time.Second {
		add("AUDIT", "%v is neither 0 nor a second or more", c.Audit)
	}
	for name, keep := range map[string]time.Duration{"RAW": c.Retention.Raw, "EVENTS": c.Retention.Events, "INCIDENTS": c.Retention.Incidents, "DEAD_LETTERS": c.Retention.DeadLetters} {
		if keep != 0 && keep < time.Hour {
			add("RETENTION_"+name, "%v is neither 0 nor an hour or more", keep)
		}
	}
	if c.Retention.Disk != 0 && c.Retention.Disk < 100 {
		add("RETENTION_DISK", "%d MB is neither 0 nor 100 or more", c.Retention.Disk)
	}
	if c.Sweep != 0 && c.Sweep < time.Second {
		add("SWEEP", "%v is neither 0 nor a second or more", c.Sweep)
	}
	if c.NATS.Replicas < 1 || c.NATS.Replicas > 5 {
		add("NATS_REPLICAS", "%d is not 1 to 5", c.NATS.Replicas)
	}
	if c.NATS.Replicas > 1 && c.NATS.URL == "" {
		add("NATS_REPLICAS", "%d copies need an external cluster: set CALLWATCH_NATS_URL", c.NATS.Replicas)
	}
	if host, _, err := net.SplitHostPort(c.NATS.Listen); c.NATS.Listen != "" && c.NATS.ListenPassword == "" && err == nil && host != "localhost" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			add("NATS_LISTEN", "%s can be reached from other machines: set CALLWATCH_NATS_LISTEN_PASSWORD, or listen on 127.0.0.1", c.NATS.Listen)
		}
	}
	if (c.NATS.Cert == "") != (c.NATS.Key == "") {
		add("NATS_CERT", "certificate and CALLWATCH_NATS_KEY belong together: one is missing")
	}
	if c.Slack.Rate <= 0 {
		add("SLACK_RATE", "%v is not above 0", c.Slack.Rate)
	}
	if u, err := url.Parse(c.Slack.APIURL); err != nil || u.Host == "" {
		add("SLACK_API_URL", "%q is not a web address", c.Slack.APIURL)
	}
	if c.Slack.Token != "" && c.Slack.Channel == "" {
		add("SLACK_CHANNEL", "missing: CALLWATCH_SLACK_TOKEN is set, but no channel to post to")
	}
	if _, err := Level(c.LogLevel); err != nil {
		errs = append(errs, err)
	}
	table, err := emodel.NewTable(c.Codecs)
	if err != nil {
		errs = append(errs, fmt.Errorf("codecs: %w", err))
	}
	c.codecs = table
	errs = append(errs, c.checkOutputs()...)
	errs = append(errs, c.checkProviders()...)
	return errors.Join(errs...)
}

func (c *Config) checkProviders() []error {
	var errs []error
	for name, settings := range c.Providers {
		p, ok := c.Registry.Find(name)
		if !ok {
			errs = append(errs, fmt.Errorf("providers: there is no provider %q", name))
			continue
		}
		known := map[string]normalizer.Setting{}
		for _, s := range p.AllSettings() {
			known[strings.ToLower(s.Name)] = s
		}
		for key, value := range settings {
			s, ok := known[key]
			if !ok {
				errs = append(errs, fmt.Errorf("providers.%s: there is no setting %q", name, key))
				continue
			}
			for _, v := range value.List() {
				if s.Check == nil {
					continue
				}
				if err := s.Check(v); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", p.EnvName(s.Name), err))
				}
			}
		}
	}
	return errs
}

// Level reads one of debug, info, warn and error.
func Level(text string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(text)); err != nil {
		return l, fmt.Errorf("%sLOG_LEVEL: %q is none of debug, info, warn, error", Prefix, text)
	}
	return l, nil
}
