package main

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tellSystemd says that callwatch takes webhooks, and from then on, where the
// unit has a watchdog, that its store answers: systemd restarts what is silent.
// Without systemd it does nothing. It ends with ctx, saying so.
func (a *app) tellSystemd(ctx context.Context) {
	say := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			a.log.Warn("cannot notify systemd", "state", state, "err", err)
		}
	}
	say(daemon.SdNotifyReady)
	defer say(daemon.SdNotifyStopping)
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.log.Warn("the unit's watchdog cannot be read", "err", err)
	}
	if patience <= 0 {
		<-ctx.Done()
		return
	}
	every := time.NewTicker(patience / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		look, done := context.WithTimeout(ctx, patience/3)
		if h := a.store.Health(look); h.OK || !h.Embedded {
			say(daemon.SdNotifyWatchdog) // an external cluster that is away is no reason to restart
		}
		done()
	}
}
