package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/stream"
)

// soonFull is how many days before its limit a store is worth a warning.
const soonFull = 3

// diagnoseSize looks at size, growth and days left of the embedded store: by the
// running callwatch where there is one. A data directory without a store has none.
func diagnoseSize(ctx context.Context, cfg config.Config) []finding {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "jetstream")); cfg.NATS.URL != "" || err != nil {
		return nil
	}
	d := &desk{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	var size backend.StoreSize
	var err error
	if stream.InUse(cfg.DataDir) {
		r := &remote{url: listening(cfg.Listen)}
		if tokens := cfg.AdminToken.List(); len(tokens) > 0 {
			r.token = config.Secret(tokens[0])
		}
		err = r.ask(ctx, http.MethodGet, "/store", nil, &size)
	} else {
		err = d.do(ctx, "store-size", nil, nil, &size, newProgress(io.Discard))
	}
	if err != nil {
		return []finding{{"size", stateWarning, "is not known: " + err.Error()}}
	}
	return []finding{sizeFinding(&size.StoreUsage)}
}

func sizeFinding(u *backend.StoreUsage) finding {
	state := stateOK
	if len(u.Short) > 0 || u.DaysLeft != nil && *u.DaysLeft < soonFull {
		state = stateWarning
	}
	return finding{"size", state, shownUsage(u)}
}
