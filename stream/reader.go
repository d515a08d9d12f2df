package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// OpenReader opens the events of a store to read them: with cfg.URL it needs no
// more than embedded.ReaderPermissions and changes nothing on the server. A data directory
// is opened as Open does.
func OpenReader(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.URL == "" {
		return Open(ctx, cfg)
	}
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	s.conn.ReadOnly = true
	s.refuse(errReadOnly)
	if err := s.openReader(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Store) openReader(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	for name, into := range map[string]*jet.Stream{names.EventStream: &s.events, names.AlertStream: &s.alerts} {
		st, err := s.conn.JS.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("no callwatch stores on the NATS server at %s: stream %s does not exist", s.cfg.shownURL(), name)
		case err != nil:
			return fmt.Errorf("stream %s: %w", name, jet.ReadError(ctx, err))
		}
		into.Stream = st
		s.conn.UseSeal(st.CachedInfo())
	}
	return nil
}

// errReadOnly answers writes of a store that was opened to read.
var errReadOnly = errors.New("the store is open for reading only")
