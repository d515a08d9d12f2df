// Package rulefile reads the rules file, follows its changes and gives the engine
// the rules. It imports rules and the types of handlers/backend.
package rulefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

const (
	shippedName = "shipped rules.yaml"

	// quietTime is how long a rules file must be left alone before it is read:
	// editors write in several steps.
	quietTime = 250 * time.Millisecond
	// readTime bounds how long one reading of the file may take, so that a network
	// folder that hangs does not keep the next reload from running.
	readTime = 10 * time.Second
)

// Config says where the rules are and who is told.
type Config struct {
	Path string
	// Shipped are used where the default rules file does not exist; nil: never.
	Shipped []byte
	// Replace gives the engine other rules, and waits for it a while.
	Replace func(context.Context, *rules.Set)
	// Changed is called when Status may be another.
	Changed func()
	// Reloaded receives how a reading ended: loaded, unchanged or refused.
	Reloaded func(outcome string)
	// Turn waits until the file may be compiled: drafts and the rules file wait for
	// each other.
	Turn func(context.Context) (release func(), err error)
	Log  *slog.Logger
}

// File keeps the engine's rules equal to the rules file, all or nothing: a content
// with an error leaves the rules in force as they are, and shows in Status until it
// is fixed.
type File struct {
	cfg     Config
	reading chan struct{} // holds a token while a reload runs: one at a time

	mu      sync.Mutex
	status  backend.RulesFile
	shipped bool     // the rules in force came with the program
	seen    string   // digest of the content that was read last
	files   []string // that the rules in force name
}

// Load compiles a rules file, and returns what problems call it. shipped are used if
// the file does not exist; nil: none are. The error is rules.Problems, or that the
// file cannot be read.
func Load(path string, shipped []byte) (name string, set *rules.Set, problems rules.Problems, err error) {
	sources, err := read(path, shipped != nil)
	name = path
	if errors.Is(err, fs.ErrNotExist) && shipped != nil {
		name, sources, err = shippedName, []rules.Source{{Name: shippedName, Text: shipped}}, nil
	}
	if err != nil {
		return name, nil, nil, fmt.Errorf("read rules: %w", err)
	}
	if set, problems, err = rulefmt.LoadSources(context.Background(), sources); err == nil && problems.Errors() {
		err = problems
	}
	if err != nil {
		return name, nil, nil, err
	}
	return name, set, problems, nil
}

// read reads the rules at a path. The default file need not be there where there are
// files in the folder beside it.
func read(path string, preset bool) ([]rules.Source, error) {
	sources, err := rulefmt.ReadSources(path)
	if preset && errors.Is(err, fs.ErrNotExist) {
		if beside, failed := rulefmt.ReadSources(filepath.Join(filepath.Dir(path), rulefmt.Folder)); failed == nil {
			return beside, nil
		}
	}
	return sources, err
}

// Open compiles the rules and keeps the engine's equal to the file while Watch runs.
func Open(c Config) (*File, *rules.Set, error) {
	name, set, problems, err := Load(c.Path, c.Shipped)
	if err != nil {
		return nil, nil, err
	}
	f := &File{cfg: c, reading: make(chan struct{}, 1)}
	if name == shippedName {
		c.Log.Info("no rules.yaml here: the shipped rules are used")
	}
	f.accept(name, set, problems)
	return f, set, nil
}

// accept notes the rules that are in force from now on.
func (f *File) accept(name string, set *rules.Set, problems rules.Problems) {
	problems = append(problems, set.Expired(time.Now())...)
	for _, p := range problems {
		f.cfg.Log.Warn("rules file", "problem", p.String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.shipped, f.files = rulefmt.DigestSources(set.Sources), name == shippedName, set.Files
	f.status = backend.RulesFile{
		Path: name, Digest: set.Digest, Sources: set.Sources, Rules: len(set.Rules), LoadedAt: time.Now().UTC(), Problems: problems,
	}
}

// Status is where the rules in force come from.
func (f *File) Status() backend.RulesFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Reload reads the file and, when it is without errors, has the engine go on
// with it; what is wrong with it is in Status after. The error is that ctx ended,
// also while another reload runs.
func (f *File) Reload(ctx context.Context) error {
	select {
	case f.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.reading }()
	if err := ctx.Err(); err != nil {
		return err
	}
	outcome := f.read(ctx)
	if err := ctx.Err(); err != nil && outcome == "" {
		return err
	}
	f.cfg.Reloaded(outcome)
	f.cfg.Changed()
	return nil
}

// content reads the files.
func (f *File) content(ctx context.Context) ([]rules.Source, error) {
	type answer struct {
		sources []rules.Source
		err     error
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		sources, err := read(f.cfg.Path, f.cfg.Shipped != nil)
		done <- answer{sources, err}
	}()
	select {
	case a := <-done:
		return a.sources, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("it could not be read in time: %w", ctx.Err())
	}
}

// read does the work of Reload and names how it ended; "" where ctx ended first.
func (f *File) read(ctx context.Context) (outcome string) {
	sources, err := f.content(ctx)
	if ctx.Err() != nil {
		return ""
	}
	if errors.Is(err, fs.ErrNotExist) && f.onShipped() {
		return "unchanged"
	}
	if err != nil {
		f.refuse("", nil, "the rules file cannot be read: "+plainPathError(err).Error())
		return "refused"
	}
	set, problems, err := f.compile(ctx, sources)
	switch {
	case err != nil:
		return ""
	case problems.Errors():
		f.refuse(rulefmt.DigestSources(sources), problems, "")
		return "refused"
	case set.Digest == f.Status().Digest && !f.onShipped():
		f.fixed(set, problems)
		return "unchanged"
	}
	f.cfg.Replace(ctx, set)
	f.accept(f.cfg.Path, set, problems)
	f.cfg.Log.Info("rules reloaded", "digest", set.Digest, "rules", len(set.Rules))
	return "loaded"
}

// compile waits for its turn; the error is that ctx ended.
func (f *File) compile(ctx context.Context, sources []rules.Source) (*rules.Set, rules.Problems, error) {
	release, err := f.cfg.Turn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	return rulefmt.LoadSources(ctx, sources)
}

// plainPathError leaves out the operation and the path, which are known.
func plainPathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f *File) onShipped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shipped
}

// refuse notes why the file's content is not in force. The same content is told
// about once.
func (f *File) refuse(digest string, problems rules.Problems, reason string) {
	f.mu.Lock()
	again := f.status.Refused() && f.seen == digest && f.status.Error == reason
	f.seen, f.status.Problems, f.status.Error = digest, problems, reason
	f.mu.Unlock()
	if again {
		return
	}
	if reason != "" {
		f.cfg.Log.Error("rules not reloaded, those in force stay", "err", reason)
	}
	for _, p := range problems {
		if p.IsError() {
			f.cfg.Log.Error("rules not reloaded, those in force stay", "problem", p.String())
		}
	}
}

// fixed notes that the file has the content in force again.
func (f *File) fixed(set *rules.Set, problems rules.Problems) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.Refused() {
		f.cfg.Log.Info("the rules file is as it was before the mistake", "digest", set.Digest)
	}
	f.seen, f.status.Problems, f.status.Error = rulefmt.DigestSources(set.Sources), append(problems, set.Expired(time.Now())...), ""
}

// differs says whether the file has another content than was read last.
func (f *File) differs(ctx context.Context) bool {
	sources, err := f.content(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		return !f.shipped && f.status.Error == ""
	}
	return rulefmt.DigestSources(sources) != f.seen || f.status.Error != ""
}

// Watch reloads when the file changes and on SIGHUP, until ctx ends.
func (f *File) Watch(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	w := f.watcher()
	defer w.close()
	w.follow()
	f.mu.Lock()
	beside := len(f.files) > 0 // a file that rules may name has changed, or may have since it was read
	f.mu.Unlock()
	quiet := time.NewTimer(0) // at once: the file may have changed since it was opened
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case e := <-w.events():
			if named := f.besideRules(e); named || f.concerns(e) {
				beside = beside || named
				w.follow() // a folder may have come
				quiet.Reset(quietTime)
			}
			continue
		case err := <-w.failures():
			f.cfg.Log.Warn("cannot watch the rules file", "err", err)
			continue
		case <-quiet.C:
			if !f.differs(ctx) && !beside {
				continue
			}
		}
		beside = false
		_ = f.Reload(ctx)   // fails only when ctx ends, and so does the loop
		if w.follow() > 0 { // the rules name other files, which may have changed since they were read
			beside = true
			quiet.Reset(quietTime)
		}
	}
}

// besideRules says whether an event may be about a file that rules name: it is of such
// a kind, or mounted configuration was exchanged.
func (f *File) besideRules(e fsnotify.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(rulefmt.FileExtensions(), filepath.Ext(e.Name)) ||
		strings.HasPrefix(filepath.Base(e.Name), "..") && (len(f.files) > 0 || f.status.Refused())
}

// concerns says whether an event in the watched folders may mean another content.
// Names that begin with two dots are those of mounted configuration, which is
// exchanged by its folder.
func (f *File) concerns(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	if name == filepath.Base(f.cfg.Path) || name == filepath.Base(realPath(f.cfg.Path)) || name == rulefmt.Folder || strings.HasPrefix(name, "..") {
		return true
	}
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" || strings.HasPrefix(name, ".") {
		return false
	}
	in := realPath(filepath.Dir(e.Name))
	return in == realPath(f.cfg.Path) || in == realPath(f.beside())
}

// beside is the folder whose files are read with the rules file.
func (f *File) beside() string { return filepath.Join(filepath.Dir(f.cfg.Path), rulefmt.Folder) }

// realPath is where a path leads by its links; the path itself where that is unknown.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// watcher watches the folders that rules are in. Without one there are still SIGHUP
// and the API.
type watcher struct {
	file *File
	w    *fsnotify.Watcher // nil where the system has none to give
	told map[string]bool   // folders that cannot be watched
}

const unwatched = "the rules file is not watched: reload it by SIGHUP or callwatch rules reload"

func (f *File) watcher() *watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.cfg.Log.Warn(unwatched, "err", err)
	}
	return &watcher{f, w, map[string]bool{}}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.w == nil {
		return nil
	}
	return w.w.Events
}

func (w *watcher) failures() <-chan error {
	if w.w == nil {
		return nil
	}
	return w.w.Errors
}

func (w *watcher) close() {
	if w.w != nil {
		_ = w.w.Close()
	}
}

// follow watches where the rules are and where they point to: editors, and those who
// deploy by links, put another file in its place. A folder that is watched already
// stays so; follow returns how many are new.
func (w *watcher) follow() (added int) {
	if w.w == nil {
		return 0
	}
	before := len(w.w.WatchList())
	path := w.file.cfg.Path
	folders := []string{filepath.Dir(path), filepath.Dir(realPath(path)), w.file.beside(), path}
	w.file.mu.Lock()
	for _, named := range w.file.files {
		folders = append(folders, filepath.Dir(named), filepath.Dir(realPath(named)))
	}
	w.file.mu.Unlock()
	for i, dir := range folders {
		info, err := os.Stat(dir)
		if i > 1 && (err != nil || !info.IsDir()) {
			continue // there is none, or the path is a file
		}
		if err := w.w.Add(dir); err != nil && !w.told[dir] {
			w.told[dir] = true
			w.file.cfg.Log.Warn(unwatched, "folder", dir, "err", err)
		}
	}
	return len(w.w.WatchList()) - before
}
