package query

import (
	"context"
	"strings"
	"sync"
	"time"

	"callwatch/handlers/backend"
	"callwatch/rules"
)

const (
	workspaceWait  = 10 * time.Second // for one answer of Slack
	workspacePause = time.Minute      // before Slack is asked again
)

// workspace is the address of the Slack workspace. It is asked for in the
// background when it is first needed: no page waits for Slack.
type workspace struct {
	wanted chan struct{}

	mu  sync.Mutex
	url string
}

// address is the address of the workspace, "" while it is not known.
func (w *workspace) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.url == "" {
		select {
		case w.wanted <- struct{}{}:
		default:
		}
	}
	return w.url
}

// run asks for the address when it is wanted, until ctx ends.
func (w *workspace) run(ctx context.Context, ask func(context.Context) (string, error)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wanted:
		}
		asking, done := context.WithTimeout(ctx, workspaceWait)
		url, err := ask(asking)
		done()
		if err == nil {
			w.mu.Lock()
			w.url = url
			w.mu.Unlock()
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(workspacePause):
		}
	}
}

// findWorkspace finds the address of the workspace when a page wants it.
func (r *Reader) findWorkspace(ctx context.Context) error {
	return r.workspace.run(ctx, r.cfg.Workspace)
}

// undelivered lists the receivers in trouble that an incident waits for. Only the
// replica that announces knows them.
func (r *Reader) undelivered(incident string) []backend.Undelivered {
	var list []backend.Undelivered
	for _, u := range r.cfg.Notifier().Undelivered(incident) {
		list = append(list, backend.Undelivered(u))
	}
	return list
}

// thread is the address of an incident's Slack thread, "" where there is none or
// it is not known.
func (r *Reader) thread(ctx context.Context, in *rules.Incident) string {
	channel, ts, err := r.cfg.Notifier().Thread(ctx, in)
	if err != nil {
		r.cfg.Log.Warn("the incident's thread is not known", "incident", in.ID, "err", err)
	}
	if ts == "" {
		return ""
	}
	base := r.workspace.address()
	if !strings.HasPrefix(base, "https://") {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/archives/" + channel + "/p" + strings.ReplaceAll(ts, ".", "")
}
