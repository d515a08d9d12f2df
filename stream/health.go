package stream

import (
	"context"
	"fmt"
	"strings"
	"time"

	"callwatch/stream/disk"
	"callwatch/stream/jet"
)

const healthWait = 2 * time.Second

// Health is the state of the store.
type Health struct {
	OK         bool
	Causes     []string // why it is not OK, one sentence each
	Durability Durability
	Embedded   bool
	Server     string // version of the NATS server
	URL        string // where other programs connect, "" when the embedded server has no listener
	FreeDisk   uint64 // bytes below the data directory; 0 when external
	Streams    []StreamState
	Flaws      []Flaw    // damage found in the files since the start, oldest first
	Foreign    []Foreign // the latest messages that are not callwatch's, at most 20
}

// StreamState is what a stream holds.
type StreamState struct {
	Name            string
	Messages, Bytes uint64
	First, Last     uint64 // sequences
}

// Health asks the server and each stream; one that does not answer within two
// seconds is a cause.
func (s *Store) Health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	h := Health{Durability: s.durability(), Embedded: s.node != nil, Server: s.conn.NC.ConnectedServerVersion(), URL: s.cfg.shownURL()}
	blame := func(err error) { h.Causes = append(h.Causes, err.Error()) }
	if out := s.down.Load(); out != nil {
		blame(out.err)
	} else if err := s.trouble(); err != nil {
		blame(err)
	}
	if s.node != nil {
		h.URL = s.node.ClientURL()
		h.Flaws = s.node.Flaws()
		h.FreeDisk, _ = disk.Free(s.cfg.Dir) // trouble reports its error
		if err := s.node.Health(); err != nil {
			blame(err)
		}
	}
	for _, st := range []jet.Stream{s.raw, s.events, s.alerts, s.dead, s.checkpoints, s.tasks} {
		info, err := st.Info(ctx)
		if err != nil {
			blame(fmt.Errorf("stream %s: %w", st.CachedInfo().Config.Name, err))
			continue
		}
		h.Streams = append(h.Streams, StreamState{
			Name: strings.ToLower(strings.TrimPrefix(info.Config.Name, "CALLWATCH_")), Messages: info.State.Msgs,
			Bytes: info.State.Bytes, First: info.State.FirstSeq, Last: info.State.LastSeq,
		})
	}
	_, h.Foreign = s.conn.Foreign()
	h.OK = len(h.Causes) == 0
	return h
}

// flaws is the damage found in the files since the start; of an external server there is none.
func (s *Store) flaws() []Flaw {
	if s.node == nil {
		return nil
	}
	return s.node.Flaws()
}
