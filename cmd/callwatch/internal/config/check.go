package config

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"callwatch/call/emodel"
	"callwatch/pipeline/fetching"
	"callwatch/yamlfile/spelling"
)

// Check refuses what can never work, naming the setting and where it was given.
func (c *Config) Check() error {
	return append(c.checkValues(), c.checkTogether()...).sorted().orNil()
}

// checkValues finds settings whose value can never work, whatever the others are.
func (c *Config) checkValues() Faults {
	var all Faults
	add := func(path, format string, args ...any) {
		all = append(all, c.fault(path, fmt.Sprintf(format, args...), ""))
	}
	visitSettings(reflect.ValueOf(c).Elem(), nil, "", func(s setting) {
		if why, hint := outside(s); why != "" {
			all = append(all, c.fault(s.name(), why, hint))
		}
	})
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || !IsAddress(c.PublicURL) || u.RawQuery != "" {
			add("public_url", "%q is not scheme and host, such as https://hooks.example.com", c.PublicURL)
		}
	}
	if c.URL != "" && !IsAddress(c.URL) {
		add("url", "%q is not scheme and host, such as http://127.0.0.1:8080", c.URL)
	}
	if !isListener(c.Listen) {
		add("listen", "%q is not an address and port, such as :8080 or 127.0.0.1:8080", c.Listen)
	}
	if c.NATS.Listen != "" && !isListener(c.NATS.Listen) {
		add("nats.listen", "%q is not an address and port, such as 127.0.0.1:4222", c.NATS.Listen)
	}
	if c.FetchFor <= 0 || c.FetchFor > fetching.LongestFetch {
		add("fetch_for", "%v is not above 0 and up to %v", c.FetchFor, fetching.LongestFetch)
	}
	for path, every := range map[string]time.Duration{"audit": c.Audit, "sweep": c.Sweep} {
		if every != 0 && every < time.Second {
			add(path, "%v is neither 0 nor a second or more", every)
		}
	}
	for path, keep := range map[string]time.Duration{"raw": c.Retention.Raw, "events": c.Retention.Events, "incidents": c.Retention.Incidents, "dead_letters": c.Retention.DeadLetters} {
		if keep != 0 && keep < time.Hour {
			add("retention."+path, "%v is neither 0 nor an hour or more", keep)
		}
	}
	if d := c.Retention.Disk; d > 0 && d < 100 {
		add("retention.disk", "%d MB is neither 0 nor 100 or more", d)
	}
	if !isNATS(c.NATS.URL) {
		add("nats.url", "not an address of NATS, such as nats://127.0.0.1:4222") // it may hold a password
	}
	if !IsAddress(c.Slack.APIURL) {
		add("slack.api_url", "%q is not a web address", c.Slack.APIURL)
	}
	all = append(all, c.checkCodecs()...)
	all = append(all, c.checkOutputs()...)
	all = append(all, c.checkWorkspaces()...)
	all = append(all, c.checkProviders()...)
	return append(all, c.checkAccess()...)
}

// checkTogether finds settings that do not work without each other.
func (c *Config) checkTogether() Faults {
	var all Faults
	add := func(path, format string, args ...any) {
		all = append(all, c.fault(path, fmt.Sprintf(format, args...), ""))
	}
	if c.NATS.Replicas > 1 && c.NATS.URL == "" {
		add("nats.replicas", "%d copies need an external cluster: set CALLWATCH_NATS_URL", c.NATS.Replicas)
	}
	if host, _, err := net.SplitHostPort(c.NATS.Listen); c.NATS.Listen != "" && c.NATS.ListenPassword == "" && err == nil && host != "localhost" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			add("nats.listen", "%s can be reached from other machines: set CALLWATCH_NATS_LISTEN_PASSWORD, or listen on 127.0.0.1", c.NATS.Listen)
		}
	}
	if (c.NATS.Cert == "") != (c.NATS.Key == "") {
		add("nats.cert", "certificate and CALLWATCH_NATS_KEY belong together: one is missing")
	}
	all = append(all, c.checkChannel()...)
	return append(all, c.checkAccessTogether()...)
}

// isListener reports whether a text is an address and port to listen on.
func isListener(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// isNATS reports whether a text lists addresses of NATS servers, or is empty.
func isNATS(list string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if list != "" && (err != nil || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) || u.Hostname() == "") {
			return false
		}
	}
	return true
}

// checkCodecs checks each row by itself, so that the one that is wrong is named.
func (c *Config) checkCodecs() Faults {
	var all Faults
	for _, name := range slices.Sorted(maps.Keys(c.Codecs)) {
		if _, err := emodel.NewTable(map[string]emodel.Codec{name: c.Codecs[name]}); err != nil {
			all = append(all, c.fault("codecs."+name, err.Error(), ""))
		}
	}
	if len(all) > 0 {
		return all
	}
	table, err := emodel.NewTable(c.Codecs)
	if err != nil {
		return Faults{c.fault("codecs", err.Error(), "")}
	}
	c.codecs = table
	return nil
}

func (c *Config) checkProviders() Faults {
	var all Faults
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		p, ok := c.Registry.Find(name)
		if !ok {
			all = append(all, c.unknown("providers."+name, fmt.Sprintf("there is no provider %q", name), meant(name, c.Registry.Names())))
			continue
		}
		all = append(all, c.checkSettings(Source{Provider: p}, c.Providers[name])...)
		all = append(all, c.checkAccounts(p)...)
	}
	return all
}

// meant is a hint for a name that is not known; "" for none.
func meant(name string, known []string) string {
	if near := spelling.Nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// Level reads one of debug, info, warn and error.
func Level(text string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(text)); err != nil {
		return l, fmt.Errorf("%sLOG_LEVEL: %q is none of debug, info, warn, error", Prefix, text)
	}
	return l, nil
}
