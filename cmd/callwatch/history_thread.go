package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"callwatch/rules"
)

// workspaceWait bounds one question for the workspace, workspacePause how often
// it is asked while Slack does not answer.
const (
	workspaceWait  = 10 * time.Second
	workspacePause = time.Minute
)

// workspace is the address of the Slack workspace, asked for in the background
// when it is first needed: no page waits for Slack.
type workspace struct {
	mu    sync.Mutex
	url   string
	asked time.Time
}

// address is the workspace's, "" while it is not known.
func (w *workspace) address(now time.Time, ask func(context.Context) (string, error)) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.url != "" || now.Sub(w.asked) < workspacePause {
		return w.url
	}
	w.asked = now
	go func() {
		ctx, done := context.WithTimeout(context.Background(), workspaceWait)
		defer done()
		if url, err := ask(ctx); err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.url = url
		}
	}()
	return ""
}

// thread is the address of an incident's Slack thread, "" where there is none or
// it is not known.
func (h *history) thread(ctx context.Context, in *rules.Incident) string {
	channel, ts, err := h.app.notifier.Load().Thread(ctx, in)
	if err != nil {
		h.app.log.Warn("the incident's thread is not known", "incident", in.ID, "err", err)
	}
	if ts == "" {
		return ""
	}
	base := h.workspace.address(time.Now(), func(ctx context.Context) (string, error) {
		account, err := h.app.notifier.Load().Check(ctx, false)
		return account.URL, err
	})
	if !strings.HasPrefix(base, "https://") {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/archives/" + channel + "/p" + strings.ReplaceAll(ts, ".", "")
}
