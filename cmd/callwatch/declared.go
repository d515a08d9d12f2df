package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer/declared"
)

// declarationsEvery is how often the folder of declared providers is looked at.
const declarationsEvery = time.Second

// watchDeclared follows changes of the declared providers, in their folder and in
// callwatch.yaml, until ctx ends: all that can be read, or nothing. The set of providers is
// that of the start: secrets come from the environment, which a running process cannot
// read again, and routes, stages and metrics are made of them.
func (a *app) watchDeclared(ctx context.Context) error {
	every := time.NewTicker(declarationsEvery)
	defer every.Stop()
	files, _ := a.cfg.DeclarationFiles()
	loaded := declared.Digest(files)
	before := loaded
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		files, err := a.cfg.DeclarationFiles()
		now := declared.Digest(files)
		quiet := now == before
		before = now
		if err != nil || now == loaded || !quiet { // being written
			continue
		}
		loaded = now
		all, err := a.cfg.ReadDeclared()
		if err != nil {
			a.log.Error("declared providers not reloaded, those in force stay", "err", err)
			continue
		}
		replaceDeclared(a.cfg.Declared, all, a.log)
	}
}

// replaceDeclared puts declarations into force. One that is new, gone or changed in what is
// made at the start waits for the next start as a whole: its parts belong together.
func replaceDeclared(live []*declared.Live, all []*declared.Declaration, log *slog.Logger) {
	replaced := 0
	for _, d := range all {
		i := slices.IndexFunc(live, func(l *declared.Live) bool { return l.Get().Name == d.Name })
		if i < 0 {
			log.Warn("a declared provider is new: it counts from the next start on", "provider", d.Name, "file", d.File)
			continue
		}
		if waiting := live[i].Waiting(d); len(waiting) > 0 {
			log.Warn("a declared provider stays as it is until the next start", "provider", d.Name, "file", d.File, "changed", strings.Join(waiting, ", "))
			continue
		}
		live[i].Replace(d)
		replaced++
	}
	for _, l := range live {
		if have := l.Get(); !slices.ContainsFunc(all, func(d *declared.Declaration) bool { return d.Name == have.Name }) {
			log.Warn("a declared provider is gone: it stays until the next start", "provider", have.Name, "file", have.File)
		}
	}
	log.Info("declared providers reloaded", "providers", replaced)
}
