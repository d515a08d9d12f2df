package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"callwatch"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

const (
	shippedName = "shipped rules.yaml"

	// settleFile is how long a rules file must be left alone before it is read:
	// editors write in several steps.
	settleFile = 250 * time.Millisecond
	// swapWait is how long a reload waits for the engine to take the rules.
	swapWait = 5 * time.Second
)

// ruleFile keeps the engine's rules those of the rules file, all or nothing: a
// content with an error leaves the rules in force as they are, and is told about
// until it is mended.
type ruleFile struct {
	path    string
	log     *slog.Logger
	swap    func(context.Context, *rules.Set) // hands rules to the engine
	changed func()                            // told when Status may be another
	reloads *prometheus.CounterVec

	reading sync.Mutex // one reload at a time

	mu      sync.Mutex
	status  backend.RulesFile
	shipped bool   // the rules in force came with the program
	seen    string // digest of the content that was read last
}

// readRules compiles the rules file, and says how problems call it. Where the
// default one does not exist the shipped rules are used.
func readRules(path string, log *slog.Logger) (name string, set *rules.Set, problems rules.Problems, err error) {
	src, err := os.ReadFile(path)
	name = path
	if errors.Is(err, fs.ErrNotExist) && path == defaultConfig().Rules {
		name, src, err = shippedName, callwatch.Rules, nil
		log.Info("no rules.yaml here: the shipped rules are used")
	}
	if err != nil {
		return name, nil, nil, usage(fmt.Errorf("read rules: %w", err))
	}
	if set, problems = rules.Load(name, src); problems.Errors() {
		return name, nil, nil, usage(problems)
	}
	return name, set, problems, nil
}

// openRules compiles the rules file and keeps an eye on it from then on.
func openRules(path string, log *slog.Logger) (*ruleFile, *rules.Set, error) {
	f := &ruleFile{path: path, log: log, changed: func() {}, reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callwatch_rules_reloads_total", Help: "Readings of the rules file after the start, by how they ended: loaded, unchanged, refused.",
	}, []string{"outcome"})}
	name, set, problems, err := readRules(path, log)
	if err != nil {
		return nil, nil, err
	}
	f.accept(name, set, problems)
	return f, set, nil
}

// accept notes the rules that are in force from now on.
func (f *ruleFile) accept(name string, set *rules.Set, problems rules.Problems) {
	problems = append(problems, set.Expired(time.Now())...)
	for _, p := range problems {
		f.log.Warn("rules file", "problem", p.String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.shipped = set.Digest, name == shippedName
	f.status = backend.RulesFile{
		Path: name, Digest: set.Digest, Rules: len(set.Rules), LoadedAt: time.Now().UTC(), Problems: problems,
	}
}

// metrics tell of reloads, and whether the file's content is in force.
func (f *ruleFile) metrics() []prometheus.Collector {
	return []prometheus.Collector{f.reloads, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callwatch_rules_file_in_force", Help: "1 where the rules in force are those of the rules file, 0 where the file has errors.",
	}, func() float64 {
		if f.Status().Refused() {
			return 0
		}
		return 1
	})}
}

// Status is where the rules in force come from.
func (f *ruleFile) Status() backend.RulesFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// reload reads the file and, when it is without errors, has the engine go on
// with it; what is wrong with it is in Status after. The error is that ctx ended.
func (f *ruleFile) reload(ctx context.Context) error {
	f.reading.Lock()
	defer f.reading.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	f.reloads.WithLabelValues(f.read(ctx)).Inc()
	f.changed()
	return nil
}

// read does the work of reload and names how it ended.
func (f *ruleFile) read(ctx context.Context) (outcome string) {
	src, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) && f.onShipped() {
		return "unchanged"
	}
	if err != nil {
		f.refuse("", nil, "the rules file cannot be read: "+plainPathError(err).Error())
		return "refused"
	}
	set, problems := rules.Load(f.path, src)
	switch {
	case problems.Errors():
		f.refuse(rules.Digest(src), problems, "")
		return "refused"
	case set.Digest == f.Status().Digest && !f.onShipped():
		f.mend(set, problems)
		return "unchanged"
	}
	f.swap(ctx, set)
	f.accept(f.path, set, problems)
	f.log.Info("rules reloaded", "digest", set.Digest, "rules", len(set.Rules))
	return "loaded"
}

// plainPathError leaves out the operation and the path, which are known.
func plainPathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f *ruleFile) onShipped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shipped
}

// refuse notes why the file's content is not in force. The same content is told
// about once.
func (f *ruleFile) refuse(digest string, problems rules.Problems, reason string) {
	f.mu.Lock()
	again := f.status.Refused() && f.seen == digest && f.status.Error == reason
	f.seen, f.status.Problems, f.status.Error = digest, problems, reason
	f.mu.Unlock()
	if again {
		return
	}
	if reason != "" {
		f.log.Error("rules not reloaded, those in force stay", "err", reason)
	}
	for _, p := range problems {
		if p.IsError() {
			f.log.Error("rules not reloaded, those in force stay", "problem", p.String())
		}
	}
}

// mend notes that the file has the content in force again.
func (f *ruleFile) mend(set *rules.Set, problems rules.Problems) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.Refused() {
		f.log.Info("the rules file is as it was before the mistake", "digest", set.Digest)
	}
	f.seen, f.status.Problems, f.status.Error = set.Digest, append(problems, set.Expired(time.Now())...), ""
}

// differs says whether the file has another content than was read last.
func (f *ruleFile) differs() bool {
	src, err := os.ReadFile(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		return !f.shipped && f.status.Error == ""
	}
	return rules.Digest(src) != f.seen || f.status.Error != ""
}

// watch reloads when the file changes and on SIGHUP, until ctx ends.
func (f *ruleFile) watch(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	events, failures, stop := f.folders()
	defer stop()
	quiet := time.NewTimer(0) // at once: the file may have changed since it was opened
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case e := <-events:
			if f.concerns(e) {
				quiet.Reset(settleFile)
			}
			continue
		case err := <-failures:
			f.log.Warn("watching the rules file", "err", err)
			continue
		case <-quiet.C:
			if !f.differs() {
				continue
			}
		}
		_ = f.reload(ctx) // fails only when ctx ends, and so does the loop
	}
}

// concerns says whether an event in the watched folders may mean another content.
// Names that begin with two dots are those of mounted configuration, which is
// exchanged by its folder.
func (f *ruleFile) concerns(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	return name == filepath.Base(f.path) || name == filepath.Base(realPath(f.path)) || strings.HasPrefix(name, "..")
}

// realPath is where a path leads by its links; the path itself where that is unknown.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// folders watches where the file is and where it points to: editors, and those
// who deploy by links, put another file in its place. Without a watcher there
// are still SIGHUP and the API.
func (f *ruleFile) folders() (events <-chan fsnotify.Event, failures <-chan error, stop func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Warn("the rules file is not watched: reload it by SIGHUP or callwatch rules reload", "err", err)
		return nil, nil, func() {}
	}
	dirs := []string{filepath.Dir(f.path)}
	if real := filepath.Dir(realPath(f.path)); real != dirs[0] {
		dirs = append(dirs, real)
	}
	for _, dir := range dirs {
		if err := w.Add(dir); err != nil {
			f.log.Warn("the rules file is not watched: reload it by SIGHUP or callwatch rules reload", "folder", dir, "err", err)
		}
	}
	return w.Events, w.Errors, func() { _ = w.Close() }
}
