package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mutation is a mechanism left out, to show that the scorecard would notice.
type mutation string

const (
	unchanged    mutation = "none"
	withoutCAS   mutation = "cas"       // transitions are stored without comparing
	withoutLook  mutation = "reconcile" // after an unclear answer Slack is not looked at
	withoutFsync mutation = "fsync"     // writes are acknowledged from the page cache
	withoutCheck mutation = "check"     // block files are opened unchecked
)

// patch replaces one text in one source file of the product.
type patch struct{ file, was, is string }

// mutations are the patches of each mutation. They are applied to a build made
// for one run only: the product has no switches that make it unsafe.
func mutations() map[mutation][]patch {
	return map[mutation][]patch{
		unchanged: nil,
		withoutCAS: {
			{"stream/alert.go", "if seq > 0 && !cause.after(had) {", "if _ = had; seq > 0 && false {"},
			{"stream/alert.go", "s.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(seq))", "s.js.PublishMsg(ctx, msg)"},
		},
		withoutLook: {
			{"notifier/deliver.go", "at, found, err := n.slack.Find(ctx, j.channel(), j.rootTS(), j.tag(), &j.search)", "at, found, err := Place{}, false, error(nil)"},
		},
		withoutCheck: {
			{"stream/node.go", "if err := n.checker().beforeStart(); err != nil {", "if err := error(nil); err != nil {"},
		},
		withoutFsync: {
			{"stream/node.go", "cfg.Durability == Fsync", "false"},
		},
	}
}

// build makes the callwatch binary for a run, with the mutation and further
// patches applied by an overlay.
func (t *trial) build(more ...patch) (binary string, err error) {
	root, err := moduleRoot(t)
	if err != nil {
		return "", err
	}
	binary = filepath.Join(t.dir, "callwatch")
	args := []string{"build", "-o", binary}
	if patches := append(mutations()[t.mutate], more...); len(patches) > 0 {
		overlay, err := writeOverlay(root, t.dir, patches)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t, "go", append(args, "./cmd/callwatch")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: build callwatch: %w\n%s", errSetup, err, out)
	}
	return binary, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "callwatch").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources (run from the module's directory): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeOverlay writes patched copies of source files and the file that makes the
// go command take them. A text that is not in its file exactly once is an error:
// a mutation that changes nothing would prove nothing.
func writeOverlay(root, dir string, patches []patch) (string, error) {
	sources := map[string]string{}
	for _, p := range patches {
		name := p.file
		if !filepath.IsAbs(name) {
			name = filepath.Join(root, name)
		}
		if _, read := sources[name]; !read {
			b, err := os.ReadFile(name)
			if err != nil {
				return "", fmt.Errorf("patch: %w", err)
			}
			sources[name] = string(b)
		}
		if n := strings.Count(sources[name], p.was); n != 1 {
			return "", fmt.Errorf("patch of %s: %q is there %d times, must be once", p.file, p.was, n)
		}
		sources[name] = strings.Replace(sources[name], p.was, p.is, 1)
	}
	replace := map[string]string{}
	for name, text := range sources {
		copied := filepath.Join(dir, fmt.Sprintf("patched-%d.go", len(replace)))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[name] = copied
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}
