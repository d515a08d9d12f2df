package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"callwatch/stream/blocks"
	"callwatch/stream/disk"
	"callwatch/stream/embedded"
	"callwatch/stream/jet"
	"callwatch/stream/names"
	"callwatch/stream/raw"
)

const (
	checkEvery = time.Second
	// restartAfter this many failed checks in a row the embedded server is
	// started again: after a write error its streams stay stuck until then.
	restartAfter = 2
	// probeAfter this many checks without a frame one is written that is empty: a
	// store that takes no writes shall show before the next webhook finds out.
	probeAfter = 30
)

// outage is why webhooks are refused.
type outage struct{ err error }

// gate lets those who wait for an answer know that it will not come.
type gate struct{ shut chan struct{} }

func newGate() *gate { return &gate{make(chan struct{})} }

// refuse makes Append answer err at once, those who wait in it included, until
// the monitor finds the store well.
func (s *Store) refuse(err error) {
	if s.conn.Closed.Err() == nil && s.down.Swap(&outage{err}) == nil {
		close(s.gate.Load().shut)
		s.conn.Log.Error("webhooks are refused", "err", err)
	}
}

// accept ends refuse.
func (s *Store) accept() {
	if s.down.Load() == nil {
		return
	}
	s.gate.Store(newGate())
	s.down.Store(nil)
	s.conn.Log.Info("webhooks are taken again")
}

// writeFailed takes a write error as the embedded server logs it: those who
// publish are not told. After a failed fsync the system may have dropped what was
// to be written, and later ones succeed all the same: only a new start reads what
// is there.
func (s *Store) writeFailed(text string) {
	err := fmt.Errorf("%w: %s", ErrUnavailable, text)
	if _, after, _ := strings.Cut(text, "write error: "); strings.HasPrefix(after, "sync ") {
		err = fmt.Errorf("%w: fsync failed, start callwatch again when the disk is sound: %s", ErrUnavailable, text)
		s.broken.CompareAndSwap(nil, &outage{err})
	}
	s.refuse(err)
}

// watch is what the monitor remembers from one check to the next.
type watch struct {
	failed int               // checks in a row
	quiet  int               // checks in a row without a write
	frames uint64            // written at the check before
	marks  map[string]uint64 // as noted

	salvage bool // a damaged block has frames that are to be stored again
}

// monitor notices trouble before a webhook does, and its end.
func (s *Store) monitor() {
	defer close(s.idle)
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	var w watch
	for {
		select {
		case <-tick.C:
		case <-s.conn.Stuck:
			s.restart(embedded.Damaged{})
		case work := <-s.pruner.Work():
			work(s.pruner)
			continue
		case d := <-s.damaged:
			s.restart(d)
			w.salvage = true
		case <-s.conn.Closed.Done():
			return
		}
		if err := s.pruner.Retain(); err != nil && s.conn.Closed.Err() == nil {
			s.conn.Log.Warn("retention failed", "err", err)
		}
		err := s.check(&w)
		if err == nil {
			w.failed = 0
			s.accept()
			if w.salvage {
				w.salvage = !s.salvaged()
			}
			continue
		}
		s.refuse(err)
		if w.failed++; w.failed >= restartAfter && !errors.Is(err, ErrFull) && s.broken.Load() == nil {
			s.restart(embedded.Damaged{})
			w.failed = 0
		}
	}
}

func (s *Store) check(w *watch) error {
	if out := s.broken.Load(); out != nil {
		return out.err
	}
	if err := s.trouble(); err != nil {
		return err
	}
	if s.node != nil {
		if err := s.node.Health(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if frames := s.committer.frames.Load(); frames != w.frames {
		w.frames, w.quiet = frames, 0
	}
	if w.quiet++; s.down.Load() != nil || w.quiet > probeAfter {
		w.quiet = 0
		if err := s.probe(0); err != nil {
			return err
		}
	}
	if s.node == nil {
		return nil
	}
	var err error
	if w.marks, err = s.node.WriteMarks(w.marks, s.pruner.Noted()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// trouble is a reason to refuse webhooks that shows without writing.
func (s *Store) trouble() error {
	if !s.conn.NC.IsConnected() {
		return fmt.Errorf("%w: not connected to NATS", ErrUnavailable)
	}
	if s.node == nil {
		return nil
	}
	free, err := disk.Free(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if free < uint64(s.cfg.Reserve) {
		return s.errReserve(free)
	}
	return nil
}

func (s *Store) errReserve(free uint64) error {
	return fmt.Errorf("%w: %d MB of disk are free, %d MB are kept in reserve", ErrFull, free>>20, s.cfg.Reserve>>20)
}

// probe writes a frame without records to RAW: only a write tells that the
// stream takes writes.
func (s *Store) probe(flags byte) error {
	ctx, cancel := context.WithTimeout(s.conn.Closed, appendDeadline)
	defer cancel()
	ack, err := s.conn.JS.PublishMsg(ctx, &nats.Msg{Subject: names.RawSubject, Data: s.codec.Empty(flags)})
	if err != nil {
		return jet.Classify(err)
	}
	if flags == 0 {
		s.handover.Offer(ack.Sequence, 0, nil)
	} else {
		s.handover.Note(ack.Sequence)
	}
	return nil
}

func (s *Store) restart(d embedded.Damaged) {
	if s.node == nil {
		// An external server is its operator's; but this one may be cut off from
		// the others of its cluster, which go on without it.
		if err := s.conn.NC.ForceReconnect(); err == nil {
			s.conn.Log.Warn("another server of the NATS cluster is tried")
		}
		return
	}
	s.conn.Log.Warn("embedded NATS server is started again")
	if err := s.node.Restart(d); err != nil {
		s.conn.Log.Error("embedded NATS server did not restart", "err", err)
	}
}

// checkOlder checks all blocks that are not written any more, at the start and once
// a day.
func (s *Store) checkOlder() {
	defer close(s.checked)
	for {
		c := s.node.Checker()
		streams, err := c.Older(s.conn.Closed)
		switch {
		case s.conn.Closed.Err() != nil:
			return
		case err != nil:
			s.conn.Log.Error("blocks of the store are not checked", "err", err)
		case len(streams) > 0:
			select {
			case s.damaged <- embedded.Damaged{Streams: streams, Checker: c}:
			case <-s.conn.Closed.Done():
				return
			}
		}
		select {
		case <-time.After(blocks.Round):
		case <-s.conn.Closed.Done():
			return
		}
	}
}

// salvaged reports whether all frames of damaged blocks are stored again.
func (s *Store) salvaged() bool {
	ctx, cancel := context.WithTimeout(s.conn.Closed, time.Minute)
	defer cancel()
	err := raw.Salvage(ctx, s.Webhooks, s.cfg.Dir)
	if err != nil && s.conn.Closed.Err() == nil {
		s.conn.Log.Warn("frames of a damaged block are not stored again yet", "err", err)
	}
	return err == nil
}
