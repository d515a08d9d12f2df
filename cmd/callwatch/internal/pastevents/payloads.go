package pastevents

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer"
	"callwatch/pipeline"
	"callwatch/pipeline/eventlog"
)

// payload is one stored body of a provider.
type payload struct{ path, provider string }

// eachOfPayloads reads raw bodies through the normalizer. One that cannot be
// normalized is told and passed over, as a dead letter is.
func (s *Source) eachOfPayloads(ctx context.Context, fn func(eventlog.Moment) error) (err error) {
	files, err := s.findPayloads()
	if err != nil {
		return err
	}
	q := eventlog.NewSequence(s.flags.payloads, s.log, s.order(), fn)
	defer func() { err = errors.Join(err, q.Close()) }()
	read, aliases := 0, call.NewAliases(pipeline.MaxAliases)
	err = eventlog.Parallel(ctx,
		func(_ context.Context, put func(payload) error) error {
			for i, f := range files {
				s.Progress.At(int64(i), int64(len(files)))
				if err := put(f); err != nil {
					return err
				}
			}
			return nil
		},
		func(f payload) (made normalized, _ error) {
			made.path = f.path
			made.events, made.err = s.normalizeFile(f)
			return made, nil
		},
		func(n normalized) error {
			if n.err != nil {
				s.log.Warn("body cannot be normalized", "file", n.path, "err", n.err)
				return nil
			}
			read++
			for i := range n.events {
				if p, ok := s.cfg.Registry.Find(n.events[i].Provider); ok && p.Aliases {
					aliases.Rename(&n.events[i])
				}
				if err := q.Take(eventlog.Moment{At: eventlog.TimeOf(&n.events[i]), Event: &n.events[i]}); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	if read == 0 {
		return cli.Problems(fmt.Errorf("--payloads: none of %d bodies in %s can be normalized", len(files), s.flags.payloads))
	}
	return q.End()
}

type normalized struct {
	path   string
	events []call.Event
	err    error
}

// findPayloads lists the files below the folder, those of a provider by the
// first sub-folder's name.
func (s *Source) findPayloads() ([]payload, error) {
	if _, ok := s.cfg.Registry.Find(s.flags.provider); !ok && s.flags.provider != "" {
		return nil, cli.Usage(fmt.Errorf("--provider: %w", cli.NoProvider(s.cfg.Registry, s.flags.provider)))
	}
	var files []payload
	unknown := map[string]bool{}
	root := s.flags.payloads
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		switch {
		case hidden && d.IsDir():
			return filepath.SkipDir
		case hidden || !d.Type().IsRegular():
			return nil
		}
		inside, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := s.flags.provider
		if name == "" {
			name, _, _ = strings.Cut(filepath.ToSlash(inside), "/")
			if _, ok := s.cfg.Registry.Find(name); !ok {
				unknown[name] = true
				return nil
			}
		}
		files = append(files, payload{path, name})
		return nil
	})
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--payloads: %w", err))
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		s.log.Warn("not the name of a provider: passed over", "entry", filepath.Join(root, name))
	}
	if len(files) == 0 {
		return nil, cli.Usage(fmt.Errorf("--payloads: no bodies in %s; sub-folders are named after providers (%s), or give --provider", root, strings.Join(s.cfg.Registry.Names(), ", ")))
	}
	return files, nil
}

func (s *Source) normalizeFile(f payload) (events []call.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the normalizer: %v", p)
		}
	}()
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	body, err := cli.ReadInput(file, "-")
	if err != nil {
		return nil, err
	}
	p, ok := s.cfg.Registry.Find(f.provider)
	if !ok {
		return nil, errors.New("no such provider")
	}
	b := normalizer.Body{
		Provider: p.Name, Source: normalizer.Pushed, ContentType: cli.GuessContentType(f.path, body), Bytes: body,
	}
	return normalizer.Events(p, &b, s.cfg.Normalizing())
}
