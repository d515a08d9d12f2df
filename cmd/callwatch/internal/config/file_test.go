package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readText reads a configuration file and the environment, and checks them.
func readText(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(file, environ, allProviders())
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return c, errorText(strings.ReplaceAll(err.Error(), filepath.Dir(file)+string(os.PathSeparator), ""))
	}
	return c, nil
}

type errorText string

func (e errorText) Error() string { return string(e) }

// Everything that is wrong is said in one run, each with its place, the line and what was
// probably meant.
func TestAllMistakesInOneRun(t *testing.T) {
	t.Parallel()
	_, err := readText(t, `listne: :9999
durability: fsyc
fetch_for: 10min
slack:
  chanel: "#voice"
  rate: fast
retention: {raw: 5m, disk: 20GB}
providers:
  telnix: {public_key: abc}
  atoms: {signing_secert: abc}
outputs:
  ops: {webhook: ops.example.com}
`, "CALLWATCH_NATS_REPLICAS=many", "CALLWATCH_MOS=wrst")
	if err == nil {
		t.Fatal("is taken")
	}
	for _, want := range []string{
		"callwatch.yaml:1:1: error: the configuration has no setting \"listne\" [unknown-key]\n    1 | listne: ...\n      | ^\n        did you mean listen?",
		"callwatch.yaml:2:13: error: durability: \"fsyc\" is none of fsync, os [bad-value]\n    2 | durability: fsyc\n      |             ^\n        did you mean fsync?",
		"callwatch.yaml:3:12: error: fetch_for is not a duration: write a number with a unit, such as 30s, 10m, 24h or 14d",
		"callwatch.yaml:5:3: error: slack has no setting \"chanel\"", "did you mean channel?",
		"callwatch.yaml:6:9: error: slack.rate is not a number",
		"callwatch.yaml:7:18: error: retention.raw: 5m0s is neither 0 nor an hour or more",
		"callwatch.yaml:7:28: error: retention.disk is not a whole number",
		"callwatch.yaml:9:3: error: there is no provider \"telnix\"", "did you mean telnyx?",
		"callwatch.yaml:10:11: error: atoms has no setting \"signing_secert\"", "did you mean signing_secret?",
		"callwatch.yaml:12:3: error: outputs.ops: not a web address",
		"CALLWATCH_NATS_REPLICAS: is not a whole number",
		"CALLWATCH_MOS: \"wrst\" is none of provider, estimate, worst; did you mean worst?",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("does not say\n%s\n", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestMistakesOfTheFile(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"slack_token: xoxb-1\n":                           "did you mean token under slack:?",
		"CALLWATCH_SLACK_TOKEN: xoxb-1\n":                 "did you mean token under slack:?",
		"channel: \"#a\"\n":                               "did you mean channel under slack:?",
		"listen: [a]\n":                                   "callwatch.yaml:1:9: error: listen must be a text",
		"listen: 8080\n":                                  `"8080" is not an address and port, such as :8080`,
		"listen: :99999\n":                                `":99999" is not an address and port`,
		"slack: xoxb-1\n":                                 "1:8: error: slack must be a mapping",
		"trusted_proxies: 10.0.0.0/8\n":                   "write each element after a dash",
		"trusted_proxies: [10.0.0.0/99]\n":                "1:18: error: trusted_proxies: \"10.0.0.0/99\" is not a network",
		"mask_outputs: yes\n":                             "mask_outputs is neither true nor false",
		"sweep: -1m\n":                                    "sweep is not a duration",
		"nats: {replicas: 9}\n":                           "1:18: error: nats.replicas: 9 is above 5",
		"nats: {replicas: 3}\n":                           "set CALLWATCH_NATS_URL",
		"slack: {rate: .nan}\n":                           "slack.rate must be a text",
		"public_url: hooks.example.com\n":                 "is not scheme and host",
		"listen: :1\nlisten: :2\n":                        `2:1: error: key "listen"`,
		"listen: *a\n":                                    "anchors and aliases are not supported",
		"listen: \"\n":                                    "this is not YAML",
		"- listen\n":                                      "must be a mapping",
		"codecs: {opus: {bpl: 0}}\n":                      "codecs.opus",
		"tokens: {anna: {role: boss, token: abcdefgh}}\n": "tokens.anna: the role",
		"tokens: {anna: {role: admin}, bea: {}}\n":        "tokens.bea: needs either",
		strings.Repeat("a: ", 100):                        "nests more than 64 levels",
	} {
		_, err := readText(t, text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v\nwant %s", text, err, says)
		}
	}
	for text, works := range map[string]func(c *Config) bool{
		"slack:\n  # token: x\nlisten:\n":     func(c *Config) bool { return c.Listen == ":8080" },
		"retention: {raw: 14d, events: 2w}\n": func(c *Config) bool { return c.Retention.Raw == 14*Day && c.Retention.Events == 14*Day },
		"sweep: 0\n":                          func(c *Config) bool { return c.Sweep == 0 },
		"\ufefflisten: :9\r\nsweep: 1m\r\n":   func(c *Config) bool { return c.Listen == ":9" && c.Sweep == time.Minute },
		"slack: {channel: 123}\n":             func(c *Config) bool { return c.Slack.Channel == "123" },
	} {
		c, err := readText(t, text)
		if err != nil || !works(&c) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A value of the environment goes over that of the file, also where one of them is wrong.
func TestPlaceOfAnOverriddenValue(t *testing.T) {
	t.Parallel()
	if c, err := readText(t, "mos: nonsense\n", "CALLWATCH_MOS=worst"); err != nil || c.MOS != "worst" {
		t.Errorf("%v, %v", c.MOS, err)
	}
	_, err := readText(t, "mos: worst\n", "CALLWATCH_MOS=nonsense")
	if err == nil || !strings.HasPrefix(err.Error(), `CALLWATCH_MOS: "nonsense" is none of`) {
		t.Error(err)
	}
	c, err := Read("", nil, allProviders())
	if err != nil {
		t.Fatal(err)
	}
	c.LogLevel = "loud"
	c.Given("log_level", "--log-level")
	if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), `--log-level: "loud" is none of`) {
		t.Error(err)
	}
}

// No secret is in what is said of a file, whatever is wrong with it.
func TestMistakesShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"admin_tokn: hunter2\n", "admin_token: [hunter2]\n", "admin_token: hunter2\nadmin_token: hunter2\n",
		"slack: {token: hunter2, rate: fast}\n", "slack: {rate: fast, token: hunter2}\n", "slack: {token: hunter2, chanel: x}\n",
		"slack: {tokn: hunter2, rate: 1}\n", "slack: {token: {a: hunter2}}\n", "slack: {token: !hunter2 x}\n",
		"admin_token: \"hunter2\n", "admin_token: hunter2: x\n", "admin_tokn: hunter2: x\n", "admin_token: &hunter2 x\n", "admin_token: *hunter2\n",
		"providers: {telnyx: {public_key: hunter2}}\n", "providers: {telnyx: {pubic_key: hunter2}}\n", "providers: {telnix: {public_key: hunter2}}\n",
		"outputs: {ops: {webhook: hunter2}}\n", "outputs: {ops: {webhook: https://x.example.com, alertmanager: hunter2}}\n",
		"tokens: {anna: {role: boss, token: hunter2}}\n", "slack: {webhook_url: hunter2}\n", "token_list: hunter2\n", "slack: hunter2\n",
	} {
		_, err := readText(t, text)
		if err == nil {
			t.Errorf("%q is taken", text)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"listne: 1", "slack: {token: a, rate: b}", "providers: {x: {events: []}}", "tokens:\n  a: {role: x}", "%YAML 1.2\n---\n- a", "codecs: {a: {bpl: x}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		_, _ = readText(t, text)
	})
}
