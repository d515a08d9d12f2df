package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"callwatch/call/emodel"
	"callwatch/cmd/callwatch/internal/generated"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/shipped"
)

const (
	configSchemaFile = "../../../../callwatch.schema.json"
	exampleFile      = "../../../../deploy/callwatch.example.yaml"
)

func TestConfigSchemaIsCheckedIn(t *testing.T) {
	t.Parallel()
	schema, err := Schema(allProviders())
	if err != nil {
		t.Fatal(err)
	}
	generated.Check(t, configSchemaFile, "ConfigSchema", schema)
}

// The schema refuses what is misspelt, and what no setting takes.
func TestConfigSchemaRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"listne: :8080", "mos: best", "durability: never", "log_level: loud", "listen: [1]",
		"nats: {replicas: 0}", "nats: {replicas: 6}", "nats: {replicas: 1.5}", "slack: {rate: 0}", "slack: {show_numbers: 1}", "slack:",
		"providers: {nobody: {}}", "outputs: {ops: {mail: a}}", "outputs: {ops: a}", "codecs: {opus: {ie: 95}}", "codecs: {opus: {bpl: 0}}",
	} {
		if err := againstSchema(t, []byte(text)); err == nil {
			t.Errorf("%s: is taken", text)
		}
	}
	for _, text := range []string{"mos: worst", "slack: {rate: 0.5}", "{}"} {
		if err := againstSchema(t, []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What the tags say a setting takes is what check takes.
func TestConfigTags(t *testing.T) {
	t.Parallel()
	visitSettings(reflect.ValueOf(Default(allProviders())), nil, "", func(s setting) {
		proveTags(t, s.path[len(s.path)-1], s.tag, func(v any) error { return checkWith(t, s.path, v) })
	})
	for _, f := range settingFields(reflect.TypeFor[emodel.Codec]()) {
		key := settingKey(f)
		proveTags(t, key, f.Tag, func(v any) error {
			row := map[string]any{"bpl": 20, "ptimeMs": 20}
			row[key] = v
			return checkWith(t, []string{"codecs", "opus"}, row)
		})
	}
}

// Every variable that the documentation names is read.
func TestVariablesAreRead(t *testing.T) {
	t.Parallel()
	known := Variables(allProviders(), func(string) []normalizer.Setting { return nil })
	visitSettings(reflect.ValueOf(Default(allProviders())), nil, "", func(s setting) {
		if !known[s.env] {
			t.Errorf("%s is not read", s.env)
		}
	})
	cfg, err := Read("", []string{"CALLWATCH_SLACK_CHANNEL=#calls", "CALLWATCH_NATS_REPLICAS=3", "CALLWATCH_RETENTION_RAW=48h"}, allProviders())
	if err != nil || cfg.Slack.Channel != "#calls" || cfg.NATS.Replicas != 3 || cfg.Retention.Raw != 2*Day {
		t.Errorf("channel %q, %d replicas, webhooks kept for %s, %v", cfg.Slack.Channel, cfg.NATS.Replicas, cfg.Retention.Raw, err)
	}
}

// proveTags fails unless check takes the words of an enumeration, which the
// description names, and nothing beyond a limit.
func proveTags(t *testing.T, name string, tag reflect.StructTag, check func(any) error) {
	t.Helper()
	words, enumerated := tag.Lookup("enum")
	for _, word := range strings.Split(words, ",") {
		if !enumerated {
			break
		}
		if err := check(word); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !regexp.MustCompile(`\b` + word + `\b`).MatchString(tag.Get("doc")) {
			t.Errorf("%s: the description does not name %s", name, word)
		}
	}
	if enumerated && check("unheard-of") == nil {
		t.Errorf("%s takes any word", name)
	}
	for limit, beyond := range map[string]float64{"min": -1, "max": 1, "above": 0, "below": 0} {
		text, ok := tag.Lookup(limit)
		if !ok {
			continue
		}
		at, err := strconv.ParseFloat(text, 64)
		if err != nil || check(at+beyond) == nil {
			t.Errorf("%s takes %v, against its tag %s (%v)", name, at+beyond, limit, err)
		}
		if beyond != 0 && check(at) != nil {
			t.Errorf("%s does not take %v, against its tag %s", name, at, limit)
		}
	}
}

// checkWith checks the defaults with one setting changed.
func checkWith(t *testing.T, path []string, value any) error {
	if n, ok := value.(float64); ok && n == float64(int(n)) {
		value = int(n) // not 5.0
	}
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i]: value}
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	c, err := Read(file, []string{"CALLWATCH_NATS_URL=nats://nats.example.com:4222"}, allProviders()) // else there are no replicas
	if err != nil {
		return err
	}
	return c.Check()
}

func TestSettingNodes(t *testing.T) {
	t.Parallel()
	for preset, want := range map[any]any{
		90 * time.Second: "1m30s", 10 * time.Minute: "10m", 2 * time.Hour: "2h", 20 * time.Hour: "20h", 90 * time.Minute: "1h30m", 10 * time.Second: "10s",
		"a": "a", 2: 2, 1.5: 1.5, true: true,
	} {
		node, err := valueNode(reflect.ValueOf(preset))
		if err != nil || node["default"] != want {
			t.Errorf("%v: default %v (%v)", preset, node["default"], err)
		}
	}
	for _, group := range []any{
		struct {
			A string `yaml:"a"`
		}{},
		struct {
			A string `doc:"is without a key"`
		}{},
		struct {
			A []int `yaml:"a" doc:"has no form"`
		}{},
	} {
		if _, err := objectNode(reflect.ValueOf(group)); err == nil {
			t.Errorf("%T is described", group)
		}
	}
}

// The example is generated, loads, says the defaults, and keeps to the schema:
// as it is, and with every setting in it set.
func TestConfigExample(t *testing.T) {
	t.Parallel()
	example := configExample()
	generated.Check(t, exampleFile, "ConfigExample", example)
	if cfg := loadText(t, example); !cmp.Equal(cfg, loadText(t, []byte("{}")), cmpopts.IgnoreUnexported(Config{}), cmpopts.IgnoreFields(Config{}, "Registry", "Declared", "Pace", "Clock")) {
		t.Errorf("the example is not the defaults: %s", cmp.Diff(cfg, loadText(t, []byte("{}")), cmpopts.IgnoreUnexported(Config{}), cmpopts.IgnoreFields(Config{}, "Registry", "Declared", "Pace", "Clock")))
	}
	all := regexp.MustCompile(`(?m)^( *)#([^ ])`).ReplaceAll(example, []byte("$1$2"))
	for _, text := range [][]byte{example, all} {
		if err := againstSchema(t, text); err != nil {
			t.Error(err)
		}
	}
	if cfg := loadText(t, all); len(cfg.Outputs) == 0 || len(cfg.Codecs) == 0 || cfg.Slack.Token == "" || len(cfg.Providers) != len(allProviders()) {
		t.Errorf("not every setting is set: %+v", cfg)
	}
}

func loadText(t *testing.T, text []byte) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Read(file, nil, allProviders())
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func againstSchema(t *testing.T, text []byte) error {
	t.Helper()
	src, err := Schema(allProviders())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("callwatch.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("callwatch.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// exampleConfig has a value for what has no default.
func exampleConfig() Config {
	c := Default(allProviders())
	c.URL = "https://callwatch.example.com"
	c.PublicURL, c.ConsoleURL, c.AdminToken = "https://hooks.example.com", "https://callwatch.example.com", "a-long-random-text"
	c.NATS.URL, c.NATS.Creds, c.NATS.Listen = "nats://nats.example.com:4222", "/etc/callwatch/nats.creds", "127.0.0.1:4222"
	c.NATS.CA, c.NATS.Cert, c.NATS.Key = "/etc/callwatch/ca.pem", "/etc/callwatch/cert.pem", "/etc/callwatch/key.pem"
	c.Slack.Token, c.Slack.Channel, c.Slack.AppToken, c.Slack.SigningSecret = "xoxb-...", "#voice-quality", "xapp-...", "..."
	c.Slack.WebhookURL, c.Slack.Groups = "https://hooks.slack.com/services/...", "S0123456789"
	c.Slack.Workspaces = map[string]Workspace{"emea": {Token: "xoxb-...", SigningSecret: "..."}}
	c.TokenList, c.Token = "grafana:viewer:a-long-random-text", "a-long-random-text"
	c.Tokens = map[string]AccessToken{"anna": {Role: "operator", Token: "a-long-random-text"}}
	c.TrustedProxies, c.Proxy.UserHeader, c.Proxy.GroupsHeader = []string{"10.0.0.0/8"}, "X-Forwarded-User", "X-Forwarded-Groups"
	c.OIDC.Issuer, c.OIDC.ClientID, c.OIDC.ClientSecret, c.OIDC.NameClaim = "https://login.example.com", "callwatch", "...", "email"
	c.Roles = Roles{Viewer: []string{"*"}, Operator: []string{"voice-team"}, Admin: []string{"user:anna@example.com", "platform"}}
	c.TLS.Cert, c.TLS.Key = "/etc/callwatch/tls.pem", "/etc/callwatch/tls.key"
	c.Outputs = map[string]Output{"ops": {Webhook: "https://ops.example.com/hook", Secret: "whsec_..."}, "am": {Alertmanager: "http://alertmanager:9093"}}
	c.Providers = map[string]map[string]Secret{}
	c.Codecs = map[string]emodel.Codec{"opus": {Bpl: 20, PtimeMs: 20, LookaheadMs: 6.5, Grounding: emodel.Literature}}
	return c
}

// allProviders are those that come with callwatch.
func allProviders() normalizer.Registry {
	return append(registry.Providers(), shipped.Providers()...)
}
