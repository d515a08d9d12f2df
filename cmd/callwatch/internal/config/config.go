// Package config reads the configuration of callwatch from callwatch.yaml and the
// environment, checks it, describes it as a JSON Schema, and turns it into the
// configurations of the store, the normalizers and the notifier.
package config

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/call/emodel"
	"callwatch/normalizer"
	"callwatch/normalizer/declared"
	"callwatch/pipeline/fetching"
	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
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
	Rules      string      `env:"RULES" yaml:"rules" doc:"rules file, which is read with the files of the folder rules.d beside it, or a folder of rules files; the shipped rules where the default does not exist"`
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
	AdminToken Secret `env:"ADMIN_TOKEN" yaml:"admin_token" doc:"bearer token of the API under /api/v1 and of the commands that use it, with the role admin and no name; a list during rotation"`
	TokenList  Secret `env:"TOKENS" yaml:"token_list" doc:"further bearer tokens, each NAME:ROLE:TOKEN with the role viewer, operator or admin, separated by commas; in callwatch.yaml tokens are easier to read"`
	Token      Secret `env:"TOKEN" yaml:"token" doc:"the token that commands show to a running callwatch; the first admin token where it is empty"`

	TrustedProxies []string  `env:"TRUSTED_PROXIES" yaml:"trusted_proxies" doc:"networks of proxies, such as 10.0.0.0/8, whose X-Forwarded-For, X-Forwarded-Proto and user header are believed; no other's are"`
	Proxy          ProxyAuth `envPrefix:"PROXY_" yaml:"proxy" doc:"log-in by a trusted proxy"`
	OIDC           OIDC      `envPrefix:"OIDC_" yaml:"oidc" doc:"log-in to the console by OpenID Connect"`
	Roles          Roles     `envPrefix:"ROLES_" yaml:"roles" doc:"which groups and users of the proxy or the OIDC provider have which role; * is each one that is logged in"`
	TLS            TLS       `envPrefix:"TLS_" yaml:"tls" doc:"https on the listener, instead of at a proxy"`

	URL      string `env:"URL" yaml:"url" doc:"the running callwatch that commands ask, scheme and host; the one on this machine where it is empty. serve does not use it"`
	LogLevel string `env:"LOG_LEVEL" yaml:"log_level" enum:"debug,info,warn,error" doc:"what is logged: debug, info, warn or error, and what is worse"`

	MaskOutputs bool `env:"MASK_OUTPUTS" yaml:"mask_outputs" doc:"telephone numbers masked in what webhook outputs get, too"`

	ProvidersDir string `env:"PROVIDERS_DIR" yaml:"providers_dir" doc:"folder of declared providers, a file each: NAME.yaml"`

	Tokens    map[string]AccessToken       `yaml:"tokens" doc:"bearer tokens by name; the name is shown with what its owner acknowledges"`
	Outputs   map[string]Output            `yaml:"outputs" doc:"receivers beside Slack, by the names that routes use"`
	Providers map[string]map[string]Secret `yaml:"providers" doc:"settings of the providers, by provider and setting"`
	Codecs    map[string]emodel.Codec      `yaml:"codecs" doc:"rows that override or extend the estimator's codec table, by codec"`

	// Accounts are the settings of the accounts of providers beside their own, by provider,
	// account and setting: the key accounts of a provider in callwatch.yaml.
	Accounts map[string]map[string]map[string]Secret `yaml:"-" env:"-"`

	codecs emodel.Table // of Codecs, made by check

	// Registry has the providers that are known. No operator sets it.
	Registry normalizer.Registry `yaml:"-" env:"-"`
	// Declared are the declared providers of callwatch.yaml and the folder.
	Declared []*declared.Live  `yaml:"-" env:"-"`
	problems yamlfile.Problems // of their declarations
	source   source

	file   *fileReader       // callwatch.yaml; nil where there is none
	given  map[string]string // the variable or flag that gives a setting, by its path
	faults Faults            // of variables
	// Pace and Clock are for tests: how the fetcher asks, zero for the providers' own
	// pace, and the clock of the notifier.
	Pace  fetching.Pace    `yaml:"-" env:"-"`
	Clock func() time.Time `yaml:"-" env:"-"`
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

	Workspaces map[string]Workspace `yaml:"workspaces" doc:"further workspaces, by the names before / in a channel of a route"`
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
		OIDC:       OIDC{Scopes: "profile email", RolesClaim: "groups"},
		Slack:      Slack{APIURL: "https://slack.com/api/", Rate: 1},
		Clock:      time.Now,
		Registry:   providers,

		ProvidersDir: DefaultProvidersDir,
	}
}

// Read reads the file, if there is one, and then the environment over it.
// A file that was named must exist; callwatch.yaml need not. The error lists everything
// that is wrong.
func Read(file string, environ []string, providers normalizer.Registry) (Config, error) {
	c := Default(providers)
	c.source = source{file, environ, providers}
	vars := variables(environ)
	if err := c.readFile(file); err != nil {
		return c, err
	}
	c.readVariables(vars)
	if err := c.readDeclared(); err != nil {
		return c, errors.Join(c.found().orNil(), err)
	}
	if c.Providers == nil {
		c.Providers = map[string]map[string]Secret{}
	}
	for _, p := range c.Registry {
		for _, s := range p.AllSettings() {
			if v := vars[p.EnvName(s.Name)]; v != "" {
				c.SetProvider(p.Name, s.Name, Secret(v))
				c.Given("providers."+p.Name+"."+strings.ToLower(s.Name), p.EnvName(s.Name))
			}
		}
	}
	c.readAccountVariables(vars)
	c.visitWorkspaces(c.fromVariable(vars))
	if all := c.found(); len(all) > 0 { // what else is wrong is said in the same run
		return c, append(all, c.checkValues()...).sorted()
	}
	return c, nil
}

// readVariables reads the settings of the environment. What is wrong with them is kept as
// faults.
func (c *Config) readVariables(vars map[string]string) {
	c.readSecretFiles(vars)
	visitSettings(reflect.ValueOf(c).Elem(), nil, "", c.fromVariable(vars))
}

// fromVariable gives a setting what its variable says.
func (c *Config) fromVariable(vars map[string]string) func(setting) {
	return func(s setting) {
		text := vars[s.env]
		if text == "" {
			return
		}
		c.Given(s.name(), s.env)
		if why := setText(s.value, text); why != "" {
			c.faults = append(c.faults, c.fault(s.name(), why, ""))
		}
	}
}

// variables are the environment by name.
func variables(environ []string) map[string]string {
	vars := map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return vars
}

// Variables are the names of all environment variables that mean something: of the
// configuration, of the providers' settings, and of the further settings that
// simulated senders take.
func Variables(providers normalizer.Registry, simulated func(provider string) []normalizer.Setting) map[string]bool {
	known := map[string]bool{}
	visitSettings(reflect.ValueOf(Config{}), nil, "", func(s setting) { known[s.env] = true })
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

// UnknownVariables are the variables that look like ours and mean nothing, each with the
// one that was probably meant.
func UnknownVariables(environ []string, known map[string]bool) []string {
	var all []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, Prefix) || known[name] || known[strings.TrimSuffix(name, "_FILE")] {
			continue
		}
		text := name + " is set, but there is no such setting"
		if near := spelling.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
			text += "; did you mean " + near + "?"
		}
		all = append(all, text)
	}
	return all
}

// readSecretFiles takes CALLWATCH_X from the file that CALLWATCH_X_FILE names.
func (c *Config) readSecretFiles(vars map[string]string) {
	settings := map[string]bool{}
	visitSettings(reflect.ValueOf(Config{}), nil, "", func(s setting) { settings[s.env] = true })
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		name, ok := strings.CutSuffix(key, "_FILE")
		if !ok || !strings.HasPrefix(key, Prefix) || vars[key] == "" || settings[key] {
			continue
		}
		if vars[name] != "" {
			f := named(name, "%s is set, too", key)
			f.text = name + " and " + key + " are both set"
			c.faults = append(c.faults, f)
			continue
		}
		b, err := os.ReadFile(vars[key])
		if err != nil {
			c.faults = append(c.faults, named(key, "%s", err))
			continue
		}
		vars[name] = strings.TrimSpace(string(b))
	}
}
