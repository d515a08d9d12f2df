package stream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/disk"
	"callwatch/stream/early"
	"callwatch/stream/embedded"
	"callwatch/stream/jet"
	"callwatch/stream/names"
	"callwatch/stream/raw"
)

const (
	earlyFile  = "early"  // in the data directory: webhooks taken while the streams are opened
	mostEarly  = 64 << 20 // bytes of them
	moveAgain  = time.Second
	frameSlots = 64 // frames that are moved while new ones wait
)

var opening = &outage{fmt.Errorf("%w: it is being opened", ErrUnavailable)}

// Begin prepares a store and opens nothing: OpenStreams does. Meanwhile Append keeps
// webhooks in a file of the data directory, on the disk before it answers, under the
// ids that they will have. With an external server it answers ErrUnavailable. Nothing
// else of the store may be called before OpenStreams but Close.
func Begin(cfg Config) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	s.committer = newCommitter(s)
	if s.cfg.URL != "" {
		s.down.Store(opening)
	} else if err := s.takeEarly(); err != nil {
		s.release()
		return nil, err
	}
	go s.committer.run()
	return s, nil
}

// OpenStreams opens what Begin prepared and moves the webhooks that were taken meanwhile
// to RAW.
func (s *Store) OpenStreams(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	moved := true
	if s.early.Load() != nil {
		if err := s.moveEarly(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			s.conn.Log.Warn("webhooks taken while the store was opened are not moved yet", "err", err)
			moved = false
		}
	}
	s.down.CompareAndSwap(opening, nil)
	s.opened.Store(true)
	go s.monitor()
	if s.node != nil {
		go s.checkOlder()
	}
	if !moved {
		s.moving.Go(s.keepMoving)
		return nil
	}
	return s.afterMove(ctx)
}

// afterMove is what of preparing writes to RAW: behind the early webhooks, whose
// sequences are given.
func (s *Store) afterMove(ctx context.Context) error {
	if s.node == nil {
		return nil
	}
	return raw.Salvage(ctx, s.Webhooks, s.cfg.Dir)
}

// takeEarly locks the data directory and opens the file of early webhooks.
func (s *Store) takeEarly() (err error) {
	if s.lock, err = makeAndLock(s.cfg.Dir); err != nil {
		return err
	}
	last, err := blocks.LastStored(s.cfg.Dir, names.RawStream)
	if err != nil {
		return err
	}
	last = max(last, embedded.ReadMarks(s.cfg.Dir)[names.RawStream])
	f, damaged, err := early.Open(filepath.Join(s.cfg.Dir, earlyFile), last, mostEarly, s.cfg.Durability == Fsync)
	if err != nil {
		return fmt.Errorf("webhooks taken while the store was opened: %w", err)
	}
	for _, d := range damaged {
		s.earlyFlaws = append(s.earlyFlaws, Flaw{Stream: names.RawStream, File: earlyFile, Offset: d.Offset, Torn: d.Torn, Unplaced: !d.Torn, First: 1})
	}
	s.early.Store(f)
	return nil
}

// appendEarly stores a frame while the streams are not open.
func (s *Store) appendEarly(f *early.File, frame []byte) (uint64, error) {
	free, err := disk.Free(s.cfg.Dir)
	if err == nil && free < uint64(s.cfg.Reserve) {
		return 0, s.errReserve(free)
	}
	seq, err := f.Append(frame)
	switch {
	case errors.Is(err, early.ErrSync):
		s.writeFailed("write error: sync " + err.Error())
	case errors.Is(err, early.ErrFull), errors.Is(err, syscall.ENOSPC):
		return 0, fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return seq, nil
}

// moveEarly publishes the early webhooks and has the committer publish by itself. What
// a start before has moved already is in RAW and is left.
func (s *Store) moveEarly(ctx context.Context) error {
	f := s.early.Load()
	f.Again()
	info, err := s.raw.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	last := info.State.LastSeq
	moved, err := s.framesBehind(ctx, f.Base(), last)
	if err != nil {
		return fmt.Errorf("read what was moved: %w", err)
	}
	count := 0
	for ended := false; !ended; {
		s.switching.Lock() // the committer writes a frame between two parts
		n, err := s.movePart(ctx, f, moved, &last)
		count += n
		if ended = err == nil && n < frameSlots; ended {
			s.early.Store(nil)
		}
		s.switching.Unlock()
		if err != nil {
			return err
		}
	}
	if count > 0 {
		s.conn.Log.Info("webhooks taken while the store was opened are stored", "frames", count)
	}
	if err := f.Remove(); err != nil { // the next start finds them in RAW
		s.conn.Log.Warn("cannot remove the file of early webhooks", "err", err)
	}
	return nil
}

// movePart publishes the next frames, each behind the last. Fewer than frameSlots are
// all that there are.
func (s *Store) movePart(ctx context.Context, f *early.File, moved map[[sha256.Size]byte]bool, last *uint64) (n int, err error) {
	for ; n < frameSlots; n++ {
		e, ok, err := f.Next()
		if err != nil || !ok {
			return n, err
		}
		if moved[sha256.Sum256(e.Frame)] {
			continue
		}
		ack, err := s.conn.JS.PublishMsg(ctx, &nats.Msg{Subject: names.RawSubject, Data: e.Frame}, jetstream.WithExpectLastSequence(*last))
		if err != nil {
			return n, jet.Classify(err)
		}
		if *last = ack.Sequence; ack.Sequence != e.Seq {
			s.conn.Log.Warn("early webhooks have another id than their senders were told", "told", e.Seq, "stored", ack.Sequence)
		}
		s.handover.Note(ack.Sequence)
	}
	return n, nil
}

// framesBehind are the hashes of the frames of RAW behind a sequence.
func (s *Store) framesBehind(ctx context.Context, seq, last uint64) (map[[sha256.Size]byte]bool, error) {
	frames := map[[sha256.Size]byte]bool{}
	if last <= seq {
		return frames, nil
	}
	c := jet.Cursor{Conn: s.conn, Stream: names.RawStream, Next: seq + 1, Batch: jet.FramesAtOnce, ToEnd: true}
	c.Deliver = func(m jetstream.Msg, _ *jetstream.MsgMetadata, _ bool) error {
		frames[sha256.Sum256(m.Data())] = true
		return nil
	}
	return frames, c.Run(ctx)
}

// keepMoving tries again to move early webhooks, which RAW had no room for.
func (s *Store) keepMoving() {
	for {
		select {
		case <-s.conn.Closed.Done():
			return
		case <-time.After(moveAgain):
		}
		ctx, cancel := context.WithTimeout(s.conn.Closed, setupWait)
		err := s.moveEarly(ctx)
		if errors.Is(err, ErrFull) {
			s.pruner.MakeRoom(ctx)
		}
		if err == nil {
			err = s.afterMove(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		s.conn.Log.Warn("webhooks taken while the store was opened are not moved yet", "err", err)
	}
}
