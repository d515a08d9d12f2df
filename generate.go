package callwatch

// `go generate ./...` rewrites every generated and golden file; look at the diff
// before you commit it. The same tests fail in CI while a file is out of date.
//
//go:generate go test ./normalizer/telnyx ./normalizer/signalwire ./normalizer/bird ./normalizer/atoms ./normalizer/butter ./normalizer/twilio ./normalizer/shipped ./normalizer/registry -count=1 -update
//go:generate go test ./rules/rulefmt -count=1 -run ^(TestFormat|TestRefused)$ -update
//go:generate go test ./rules/ruleschema -count=1 -run ^TestSchemaIsCheckedIn$ -update
//go:generate go test ./rules/condition -count=1 -run Refused -update
//go:generate go test ./notifier/slack -count=1 -update
//go:generate go test ./pipeline/telemetry -count=1 -run Reference -update
//go:generate go test ./cmd/callwatch/internal/config -count=1 -run Config|Reference -update
//go:generate go test ./cmd/callwatch -count=1 -run Reference|Config|Backtest|Suggest|Fields|Schema -update
//go:generate go test ./tools/faults -count=1 -run ^TestPublishedScorecard$ -update
