// Package examples has the examples that commands show with --help.
package examples

import (
	"strings"

	"github.com/spf13/cobra"
)

// Add gives each command below root its examples, unless it has some. PROVIDER in them
// becomes the name of a provider.
func Add(root *cobra.Command, provider string) {
	for _, c := range root.Commands() {
		Add(c, provider)
	}
	_, path, _ := strings.Cut(root.CommandPath(), " ")
	if root.Example != "" {
		return
	}
	if of := strings.TrimSpace(all[path]); of != "" {
		var lines []string
		for line := range strings.Lines(of) {
			lines = append(lines, "  callwatch "+strings.TrimSpace(line))
		}
		root.Example = strings.ReplaceAll(strings.Join(lines, "\n"), "PROVIDER", provider)
	}
}

// all are the examples by command, one a line.
var all = map[string]string{
	"serve":              "serve --dev\nserve --listen 127.0.0.1:8080 --data-dir /var/lib/callwatch --rules rules.yaml",
	"demo":               "demo\ndemo --for 20s",
	"simulate":           "simulate --unsigned --scenario packet-loss --count 20\nsimulate --provider PROVIDER --rate 20 --count 500 --url https://callwatch.example.com",
	"rules check":        "rules check\nrules check rules.yaml --strict\nrules check - < draft.yaml",
	"rules init":         "rules init\nrules init voice.yaml --provider PROVIDER --slack-channel '#voice-quality'",
	"rules test":         "rules test --coverage\nrules test rules.yaml",
	"rules explain":      "rules explain call-0123456789 --rule bad-call\nrules explain body.json --provider PROVIDER",
	"rules schema":       "rules schema > rules.schema.json",
	"rules fmt":          "rules fmt -w rules.yaml",
	"rules ls":           "rules ls\nrules ls --url https://callwatch.example.com",
	"rules reload":       "rules reload",
	"backtest":           "backtest --rules draft.yaml --baseline rules.yaml --since 7d\nbacktest --events calls.ndjson --rules draft.yaml",
	"events normalize":   "events normalize body.json --provider PROVIDER -o json",
	"events tail":        "events tail --provider PROVIDER\nevents tail -o ndjson",
	"calls show":         "calls show PROVIDER call-0123456789 -o json",
	"notify test":        "notify test\nnotify test '#voice-quality'",
	"slack manifest":     "slack manifest --url https://callwatch.example.com",
	"incidents ls":       "incidents ls\nincidents ls --state all -o json",
	"incidents show":     "incidents show inc_0123456789abcdef",
	"incidents ack":      "incidents ack inc_0123456789abcdef --by anna",
	"incidents unack":    "incidents unack inc_0123456789abcdef",
	"incidents resolve":  "incidents resolve inc_0123456789abcdef",
	"incidents assign":   "incidents assign inc_0123456789abcdef --to anna\nincidents assign inc_0123456789abcdef --nobody",
	"incidents note":     "incidents note inc_0123456789abcdef 'the carrier looks at it'",
	"silence ls":         "silence ls",
	"silence expire":     "silence expire sil_0123456789abcdef",
	"providers ls":       "providers ls",
	"providers check":    "providers check providers.d/acme.yaml",
	"providers test":     "providers test providers.d/acme.yaml",
	"providers schema":   "providers schema > providers.schema.json",
	"deadletters ls":     "deadletters ls --limit 20",
	"deadletters show":   "deadletters show 42",
	"deadletters replay": "deadletters replay 42\ndeadletters replay --all",
	"store size":         "store size -o json",
	"store prune":        "store prune --dry-run",
	"config check":       "config check\nconfig check /etc/callwatch/callwatch.yaml --strict",
	"config schema":      "config schema > callwatch.schema.json",
	"doctor":             "doctor\ndoctor --url https://callwatch.example.com --test-webhook PROVIDER",
	"healthcheck":        "healthcheck",
	"version":            "version -o json",
	"man":                "man /usr/local/share/man/man1",
}
