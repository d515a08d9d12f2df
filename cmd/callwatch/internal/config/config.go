// Package config reads the configuration of callwatch from callwatch.yaml and the
// environment, checks it, describes it as a JSON Schema, and turns it into the
// configurations of the store, the normalizers and the notifier.
package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"

	"callwatch/call"
	"callwatch/call/emodel"
	"callwatch/normalizer"
	"callwatch/pipeline"
)

// Prefix begins the name of each environment variable of callwatch.
const Prefix = "CALLWATCH_"

// Config is all an operator can set: flags over environment over callwatch.yaml
// over defaults. The tags say what a setting is for and what it takes; docs/configuration.md,
// the schema and the example of callwatch.yaml come from them.
type Config struct {
	Listen     string      `env:"LISTEN" yaml:"listen" doc:"address of webhooks and probes"`
	PublicURL  string      `env:"PUBLIC_URL" yaml:"public_url" doc:"scheme and host that providers call, with a path prefix if a proxy strips one; signatures that cover the URL are checked against it"`
	DataDir    string      `env:"DATA_DIR" yaml:"data_dir" doc:"the embedded store"`
	Rules      string      `env:"RULES" yaml:"rules" doc:"rules file; the shipped rules where the default does not exist"`
	MOS        call.Prefer `env:"MOS" yaml:"mos" enum:"provider,estimate,worst" doc:"which MOS a call shows: provider, estimate or worst"`
	Durability string      `env:"DURABILITY" yaml:"durability" enum:"fsync,os" doc:"fsync: a 200 survives a power cut; os: a crash of the process"`

	FetchFor time.Duration `env:"FETCH_FOR" yaml:"fetch_for" doc:"from a call's end until its report is given up"`
	Sweep    time.Duration `env:"SWEEP" yaml:"sweep" doc:"between looks for calls whose webhooks were lost; 0: never"`
	Audit    time.Duration `env:"AUDIT" yaml:"audit" doc:"between readings of all stored webhooks, to find damage; 0: never"`

	Retention Retention `envPrefix:"RETENTION_" yaml:"retention" doc:"how long stored data is kept"`

	ReadModel ReadModel `envPrefix:"READ_MODEL_" yaml:"read_model" doc:"lists of calls, search and figures"`

	NATS       NATS   `envPrefix:"NATS_" yaml:"nats" doc:"where JetStream is"`
	Slack      Slack  `envPrefix:"SLACK_" yaml:"slack" doc:"where and how alerts are announced"`
	ConsoleURL string `env:"CONSOLE_URL" yaml:"console_url" doc:"where readers of messages find the console"`
	AdminToken Secret `env:"ADMIN_TOKEN" yaml:"admin_token" doc:"bearer token of the API under /api/v1 and of the commands that use it; a list during rotation"`
	LogLevel   string `env:"LOG_LEVEL" yaml:"log_level" enum:"debug,info,warn,error" doc:"what is logged: debug, info, warn or error, and what is worse"`

	MaskOutputs bool `env:"MASK_OUTPUTS" yaml:"mask_outputs" doc:"telephone numbers masked in what webhook outputs get, too"`

	Outputs   map[string]Output            `yaml:"outputs" doc:"receivers beside Slack, by the names that routes use"`
	Providers map[string]map[string]Secret `yaml:"providers" doc:"settings of the providers, by provider and setting"`
	Codecs    map[string]emodel.Codec      `yaml:"codecs" doc:"rows that override or extend the estimator's codec table, by codec"`

	codecs emodel.Table // of Codecs, made by check

	// Registry has the providers that are known. No operator sets it.
	Registry normalizer.Registry `yaml:"-" env:"-"`
	// Pace and Clock are for tests: how the fetcher asks, zero for the providers' own
	// pace, and the clock of the notifier.
	Pace  pipeline.FetchPace `yaml:"-" env:"-"`
	Clock func() time.Time   `yaml:"-" env:"-"`
}

// Day is 24 hours.
const Day = 24 * time.Hour

// Retention says how long stored data is kept.
type Retention struct {
	Raw         time.Duration `env:"RAW" yaml:"raw" doc:"webhooks as received; 0: until the disk limit is reached"`
	Events      time.Duration `env:"EVENTS" yaml:"events" doc:"normalized events; 0: until the disk limit is reached"`
	Incidents   time.Duration `env:"INCIDENTS" yaml:"incidents" doc:"changes of incidents; 0: for ever"`
	DeadLetters time.Duration `env:"DEAD_LETTERS" yaml:"dead_letters" doc:"webhooks that could not be normalized; 0: for ever"`
	Disk        int           `env:"DISK" yaml:"disk" min:"0" doc:"megabytes that the embedded store may hold; 0: all of the file system but the reserve. At the limit the oldest webhooks go first, then the oldest events"`
}

// ReadModel is how lists of calls, search and figures are kept.
type ReadModel struct {
	Off  bool   `env:"OFF" yaml:"off" doc:"no lists of calls, search and figures: calls are found by their id alone"`
	File string `env:"FILE" yaml:"file" doc:"SQLite file, readmodel.db in the data directory where it is empty; it is derived from the store and built again when it is missing or damaged"`
}

// NATS says where JetStream is.
type NATS struct {
	URL      string `env:"URL" yaml:"url" doc:"an existing NATS JetStream instead of the embedded one"`
	Creds    string `env:"CREDS" yaml:"creds" doc:"credentials file for it"`
	CA       string `env:"CA" yaml:"ca" doc:"file of the certificates that sign the server's; the system's where there is none"`
	Cert     string `env:"CERT" yaml:"cert" doc:"file of our certificate, where the server asks for one"`
	Key      string `env:"KEY" yaml:"key" doc:"file of the key of our certificate"`
	Replicas int    `env:"REPLICAS" yaml:"replicas" min:"1" max:"5" doc:"copies of each stream on a cluster"`
	Listen   string `env:"LISTEN" yaml:"listen" doc:"address on which the embedded NATS lets other programs read events and incidents; on loopback, or with a password"`

	ListenUser     string `env:"LISTEN_USER" yaml:"listen_user" doc:"user that readers of the listener log in as; reader where it is empty"`
	ListenPassword Secret `env:"LISTEN_PASSWORD" yaml:"listen_password" doc:"their password; without one the listener must be on loopback and asks for none"`
}

// Slack says where and how alerts are announced.
type Slack struct {
	Token         Secret  `env:"TOKEN" yaml:"token" doc:"bot token"`
	Channel       string  `env:"CHANNEL" yaml:"channel" doc:"the channel alerts go to"`
	SigningSecret Secret  `env:"SIGNING_SECRET" yaml:"signing_secret" doc:"buttons by HTTP: point Slack's interactivity at /slack/interactions"`
	AppToken      Secret  `env:"APP_TOKEN" yaml:"app_token" doc:"buttons by Socket Mode, where Slack cannot reach us"`
	Groups        string  `env:"GROUPS" yaml:"groups" doc:"ids of the user groups that may press buttons, comma-separated; everybody where there is none"`
	WebhookURL    Secret  `env:"WEBHOOK_URL" yaml:"webhook_url" doc:"an incoming webhook instead of a bot: no edits, threads or buttons, and at least once instead of once"`
	Rate          float64 `env:"RATE" yaml:"rate" above:"0" doc:"posts per second and channel"`
	ShowNumbers   bool    `env:"SHOW_NUMBERS" yaml:"show_numbers" doc:"telephone numbers in full instead of masked"`
	APIURL        string  `env:"API_URL" yaml:"api_url" doc:"another Slack, for tests"`
}

// DefaultRules is the rules file where none is set. Where it does not exist, the
// shipped rules are used.
const DefaultRules = "rules.yaml"

// Default is the configuration where nothing is set, for the providers of a registry.
func Default(providers normalizer.Registry) Config {
	return Config{
		Listen: ":8080", DataDir: "./data", Rules: DefaultRules, MOS: call.PreferProvider, LogLevel: "info",
		FetchFor: 10 * time.Minute, Sweep: 10 * time.Minute, Audit: 24 * time.Hour,
		Retention:  Retention{Raw: 14 * Day, Events: 90 * Day, Incidents: 400 * Day, DeadLetters: 30 * Day},
		NATS:       NATS{Replicas: 1},
		Durability: "fsync",
		Slack:      Slack{APIURL: "https://slack.com/api/", Rate: 1},
		Clock:      time.Now,
		Registry:   providers,
	}
}

// Read reads the file, if there is one, and then the environment over it.
// A file that was named must exist; callwatch.yaml need not.
func Read(file string, environ []string, providers normalizer.Registry) (Config, error) {
	c := Default(providers)
	if err := c.readFile(file); err != nil {
		return c, err
	}
	vars := env.ToMap(environ)
	if err := readSecretFiles(vars); err != nil {
		return c, err
	}
	if err := env.ParseWithOptions(&c, env.Options{Prefix: Prefix, Environment: vars}); err != nil {
		return c, plainEnvError(err)
	}
	if c.Providers == nil {
		c.Providers = map[string]map[string]Secret{}
	}
	for _, p := range c.Registry {
		for _, s := range p.AllSettings() {
			if v := vars[p.EnvName(s.Name)]; v != "" {
				c.SetProvider(p.Name, s.Name, Secret(v))
			}
		}
	}
	return c, nil
}

// Variables are the names of all environment variables that mean something: of the
// configuration, of the providers' settings, and of the further settings that
// simulated senders take.
func Variables(providers normalizer.Registry, simulated func(provider string) []normalizer.Setting) map[string]bool {
	known := map[string]bool{}
	fields, err := env.GetFieldParamsWithOptions(&Config{}, env.Options{Prefix: Prefix})
	if err != nil {
		return known
	}
	for _, f := range fields {
		known[f.Key] = true
	}
	for _, p := range providers {
		for _, s := range slices.Concat(p.AllSettings(), simulated(p.Name)) {
			known[p.EnvName(s.Name)] = true
		}
	}
	return known
}

// SetProvider sets one setting of a provider.
func (c *Config) SetProvider(provider, setting string, v Secret) {
	if c.Providers[provider] == nil {
		c.Providers[provider] = map[string]Secret{}
	}
	c.Providers[provider][strings.ToLower(setting)] = v
}

func (c *Config) readFile(file string) error {
	named := file != ""
	if !named {
		file = "callwatch.yaml"
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(b, c, yaml.Strict()); err != nil {
		return fmt.Errorf("configuration file %s: %s", file, yaml.FormatError(err, false, true))
	}
	return nil
}

// readSecretFiles takes CALLWATCH_X from the file that CALLWATCH_X_FILE names.
func readSecretFiles(vars map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		name, ok := strings.CutSuffix(key, "_FILE")
		if !ok || !strings.HasPrefix(key, Prefix) || vars[key] == "" {
			continue
		}
		if vars[name] != "" {
			return fmt.Errorf("%s and %s are both set", name, key)
		}
		b, err := os.ReadFile(vars[key])
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		vars[name] = strings.TrimSpace(string(b))
	}
	return nil
}

// plainEnvError names the variable in one line, and never its value.
func plainEnvError(err error) error {
	var agg env.AggregateError
	if errors.As(err, &agg) && len(agg.Errors) > 0 {
		err = agg.Errors[0]
	}
	var parse env.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("environment: the value for %s is not a %s", parse.Name, parse.Type)
	}
	return fmt.Errorf("environment: %w", err)
}

// Keys are a provider's settings as the normalizer takes them.
func (c *Config) Keys(p normalizer.Provider) normalizer.Keys {
	k := normalizer.Keys{}
	for _, s := range p.AllSettings() {
		if values := c.Providers[p.Name][strings.ToLower(s.Name)].List(); len(values) > 0 {
			k[s.Name] = values
		}
	}
	return k
}

// Fetches reports whether reports of the provider can be fetched.
func (c *Config) Fetches(p normalizer.Provider) bool {
	return p.REST != nil && len(p.REST.Missing(c.Keys(p))) == 0
}
