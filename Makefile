# The commands of every day. CONTRIBUTING.md says when to use which.
.PHONY: check test short update bench demo

check: ## formatting, vet, lint, arrows, dead code, tests, fuzzing, faults: what CI runs
	bash .ci/run

test: ## all tests
	go test ./...

short: ## the tests without clusters, browsers and long runs
	go test -short ./...

update: ## rewrite every generated file and golden file
	go generate ./...

bench: ## throughput, latency and memory beside their floors
	go run ./tools/bench

demo: ## simulated calls, incidents and Slack threads
	go run ./cmd/callwatch demo
