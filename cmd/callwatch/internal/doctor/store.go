package doctor

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/stream/disk"
)

// soonFull is how many days before its limit a store is worth a warning.
const soonFull = 3

// diagnoseSize looks at size, growth and days left of the embedded store: by the
// running callwatch where there is one. A data directory without a store has none.
func diagnoseSize(ctx context.Context, cfg config.Config, here Size) []finding {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "jetstream")); cfg.NATS.URL != "" || err != nil {
		return nil
	}
	var size backend.StoreSize
	var err error
	if disk.InUse(cfg.DataDir) {
		r := &cli.Remote{Token: cfg.ClientToken(), Held: cfg.DataDir}
		r.URL, r.Transport = cli.Listening(&cfg)
		err = r.Ask(ctx, http.MethodGet, "/store", nil, &size)
	} else {
		size, err = here(ctx, cfg)
	}
	if err != nil {
		return []finding{{"size", stateWarning, "is not known: " + err.Error()}}
	}
	return []finding{sizeFinding(&size.StoreUsage)}
}

// diagnoseServer asks a running callwatch how it is.
func diagnoseServer(ctx context.Context, r *cli.Remote) []finding {
	var status struct {
		Ready  bool
		Checks []backend.Check
		Store  *backend.StoreUsage
	}
	if err := r.Ask(ctx, http.MethodGet, "/status", nil, &status); err != nil {
		return []finding{{"server", stateProblem, err.Error()}}
	}
	found := []finding{{"server", stateOK, r.URL + " is ready"}}
	if !status.Ready {
		found[0] = finding{"server", stateProblem, r.URL + " is not ready: webhooks are not taken"}
	}
	for _, check := range status.Checks {
		if check.Cause != "" {
			found = append(found, finding{"server", map[bool]string{true: stateWarning, false: stateProblem}[status.Ready], cli.PrintableText(check.Name + ": " + check.Cause)})
		}
	}
	if status.Store != nil {
		found = append(found, sizeFinding(status.Store))
	}
	return found
}

func sizeFinding(u *backend.StoreUsage) finding {
	state := stateOK
	if len(u.Short) > 0 || u.DaysLeft != nil && *u.DaysLeft < soonFull {
		state = stateWarning
	}
	return finding{"size", state, cli.UsageText(u)}
}
