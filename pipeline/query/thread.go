package query

import (
	"context"
	"strings"
	"sync"
	"time"

	"callwatch/rules"
)

const (
	workspaceWait  = 10 * time.Second // for one answer of Slack
	workspacePause = time.Minute      // before Slack is asked again
)

// workspaces are the addresses of the Slack workspaces, by their names in the settings.
// One is asked for in the background when it is first needed: no page waits for Slack.
type workspaces struct {
	wanted chan struct{}

	mu   sync.Mutex
	urls map[string]string // "" while it is wanted
}

// address is the address of a workspace, "" while it is not known.
func (w *workspaces) address(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.urls[name] == "" {
		w.urls[name] = ""
		select {
		case w.wanted <- struct{}{}:
		default:
		}
	}
	return w.urls[name]
}

// missing are the workspaces whose address is wanted.
func (w *workspaces) missing() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name, url := range w.urls {
		if url == "" {
			names = append(names, name)
		}
	}
	return names
}

// run asks for addresses when they are wanted, until ctx ends.
func (w *workspaces) run(ctx context.Context, ask func(ctx context.Context, name string) (string, error)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wanted:
		}
		var pause time.Duration
		for _, name := range w.missing() {
			asking, done := context.WithTimeout(ctx, workspaceWait)
			url, err := ask(asking, name)
			done()
			if err != nil {
				pause = workspacePause
				continue
			}
			w.mu.Lock()
			w.urls[name] = url
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// findWorkspaces finds the addresses of the workspaces when a page wants them.
func (r *Reader) findWorkspaces(ctx context.Context) error {
	return r.workspaces.run(ctx, r.cfg.Workspace)
}

// thread is the address of an incident's Slack thread, "" where there is none or
// it is not known.
func (r *Reader) thread(ctx context.Context, in *rules.Incident) string {
	workspace, at, err := r.cfg.Notifier().Thread(ctx, in)
	if err != nil {
		r.cfg.Log.Warn("the incident's thread is not known", "incident", in.ID, "err", err)
	}
	if at.TS == "" {
		return ""
	}
	base := r.workspaces.address(workspace)
	if !strings.HasPrefix(base, "https://") {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/archives/" + at.Channel + "/p" + strings.ReplaceAll(at.TS, ".", "")
}
