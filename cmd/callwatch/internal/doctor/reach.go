package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// reachWait bounds one request of the doctor to an address.
const reachWait = 5 * time.Second

// diagnoseAccess looks at tokens and ways to log in.
func diagnoseAccess(cfg *config.Config) finding {
	if err := cfg.CheckServing(); err != nil {
		return finding{"access", stateProblem, strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	a := cfg.Access()
	if len(a.Tokens) == 0 && a.OIDC == nil && a.UserHeader == "" {
		return finding{"access", stateWarning, "console and API are off: set CALLWATCH_ADMIN_TOKEN or tokens"}
	}
	text := fmt.Sprintf("tokens: %d", len(a.Tokens))
	if a.OIDC != nil {
		text += ", log-in at " + a.OIDC.Issuer
	}
	if a.UserHeader != "" {
		text += ", log-in by a proxy"
	}
	return finding{"access", stateOK, text}
}

// diagnoseAddress asks callwatch at the addresses that providers and people call.
func diagnoseAddress(ctx context.Context, cfg *config.Config) []finding {
	var found []finding
	for _, a := range []struct{ setting, address string }{{"PUBLIC_URL", cfg.PublicURL}, {"CONSOLE_URL", cfg.ConsoleURL}} {
		if a.address == "" {
			continue
		}
		answer, _, err := reach(ctx, http.MethodGet, strings.TrimRight(a.address, "/")+"/livez")
		switch {
		case err != nil:
			found = append(found, finding{"address", stateWarning, config.Prefix + a.setting + " is not reached from here: " + err.Error()})
		case !strings.Contains(answer, `"status":"live"`):
			found = append(found, finding{"address", stateProblem, config.Prefix + a.setting + ": something else answers there, or the proxy does not pass /livez on"})
		default:
			found = append(found, finding{"address", stateOK, config.Prefix + a.setting + " leads to callwatch"})
		}
	}
	return found
}

// diagnoseReceivers asks each output whether it is there; nothing is sent to it.
func diagnoseReceivers(ctx context.Context, cfg *config.Config) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(cfg.Outputs)) {
		o := cfg.Outputs[name]
		method, address := http.MethodHead, o.Webhook.Reveal()
		if o.Alertmanager != "" {
			method, address = http.MethodGet, strings.TrimRight(o.Alertmanager.Reveal(), "/")+"/-/ready"
		}
		_, status, err := reach(ctx, method, address)
		switch {
		case err != nil:
			found = append(found, finding{"outputs", stateProblem, name + " cannot be reached: " + err.Error()})
		case o.Alertmanager != "" && status != http.StatusOK, status >= http.StatusInternalServerError:
			found = append(found, finding{"outputs", stateProblem, fmt.Sprintf("%s answers with status %d", name, status)})
		default:
			found = append(found, finding{"outputs", stateOK, name + " is reached; callwatch notify test sends to it"})
		}
	}
	return found
}

// reach makes a request without a body. Its error does not show the address: that may be
// a secret.
func reach(ctx context.Context, method, address string) (answer string, status int, err error) {
	ctx, stop := context.WithTimeout(ctx, reachWait)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return "", 0, errors.New("it is not a web address")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return "", 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return string(b), res.StatusCode, err
}

// testWebhook sends a signed webhook of a test call on the way that a provider's take,
// to the address that providers call. callwatch verifies and normalizes it, and keeps
// nothing of it.
func testWebhook(ctx context.Context, cfg *config.Config, s *cli.Settings, source, to string) finding {
	check := source + " test"
	provider, account := call.ParseSource(source)
	p, ok := cfg.Registry.Find(provider)
	of := config.Source{Provider: p, Account: account}
	if !ok {
		return finding{check, stateProblem, "there is no such provider"}
	}
	if !cfg.HasAccount(provider, account) {
		return finding{check, stateProblem, "there is no such account"}
	}
	secrets, err := simulatecmd.Secrets(cfg, s, s.Simulators, &simulatecmd.Flags{Providers: []string{provider}, Account: account}, false)
	if err == nil {
		err = s.Simulators.Sendable(secrets, provider)
	}
	if err != nil {
		return finding{check, stateWarning, "cannot be signed from here: " + err.Error()}
	}
	token := cfg.ClientToken()
	if token == "" {
		return finding{check, stateProblem, "needs a token of an operator or admin: set CALLWATCH_TOKEN or CALLWATCH_ADMIN_TOKEN"}
	}
	local, transport := cli.Listening(cfg)
	target := simulate.Target{URL: cmp.Or(to, cfg.PublicURL, local), PublicURL: cfg.PublicURL}
	if target.URL != local {
		transport = nil
	}
	none := 0.0
	traffic, err := simulate.Traffic(simulate.Options{
		Seed:    uint64(time.Now().UnixNano()), //nolint:gosec // any number
		Sources: s.Simulators, Providers: []string{provider}, Count: 1, Bad: &none, Start: time.Now().Add(-time.Hour), Secrets: secrets,
	})
	if err != nil {
		return finding{check, stateProblem, err.Error()}
	}
	for r := range traffic {
		if r.Expect != simulate.Normalized {
			continue
		}
		r.Path = of.Webhook() + strings.TrimPrefix(r.Path, "/webhooks/"+provider)
		return sendTest(ctx, check, p, r, target, token, transport)
	}
	return finding{check, stateProblem, "the simulator made no webhook"}
}

func sendTest(ctx context.Context, check string, p normalizer.Provider, r simulate.Request, target simulate.Target, token config.Secret, transport http.RoundTripper) finding {
	ctx, stop := context.WithTimeout(ctx, reachWait)
	defer stop()
	req, err := r.Sign(ctx, target, time.Now())
	if err != nil {
		return finding{check, stateProblem, err.Error()}
	}
	req.Header.Set(handlers.TestHeader, token.Reveal())
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address may hold a token
		}
		return finding{check, stateProblem, "is not delivered: " + err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var answer struct {
		Status, Title, Detail string
		Events                int
	}
	decoded := err == nil && json.Unmarshal(b, &answer) == nil
	switch {
	case decoded && answer.Status == handlers.TestedStatus:
		return finding{check, stateOK, fmt.Sprintf("a signed webhook of %s was verified and normalized, events: %d; nothing of it is kept", p.Name, answer.Events)}
	case res.StatusCode == http.StatusOK:
		return finding{check, stateProblem, "something else than callwatch, or an older one, answers 200"}
	}
	return finding{check, stateProblem, fmt.Sprintf("is answered %d %s: %s", res.StatusCode, answer.Title, answer.Detail)}
}
