package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const (
	chunkSize       = 512 << 10
	checkpointsKept = 2 // they stay whole while the next is written
)

// manifest makes a checkpoint whole; it is stored after all of its chunks.
type manifest struct {
	Seq    uint64  `json:"seq"` // of EVENTS, that the state includes
	Chunks []chunk `json:"chunks"`
}

type chunk struct {
	Seq uint64 `json:"seq"`
	CRC uint32 `json:"crc"` // Castagnoli
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCheckpoint = errors.New("damaged checkpoint")

// SaveCheckpoint stores what write writes as the state of name at a sequence of
// EVENTS. The checkpoint before stays in force until this one is whole, and is
// kept after. ErrConflict means that another process saved under this name
// meanwhile: its checkpoint is in force.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, seq uint64, write func(io.Writer) error) error {
	if err := s.saveCheckpoint(ctx, name, seq, write); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", name, err)
	}
	return nil
}

func (s *Store) saveCheckpoint(ctx context.Context, name string, seq uint64, write func(io.Writer) error) error {
	var before uint64 // the manifest in force
	last, err := s.checkpoints.GetLastMsgForSubject(ctx, manifestSubject(name))
	switch {
	case err == nil:
		before = last.Sequence
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return jet.ReadError(ctx, err)
	}
	chunks := chunkWriter{ctx: ctx, store: s, subject: chunkSubject(name)}
	zip, err := zstd.NewWriter(&chunks, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	if err := errors.Join(write(zip), zip.Close()); err != nil {
		return err
	}
	if err := chunks.flush(); err != nil {
		return err
	}
	value, err := json.Marshal(manifest{Seq: seq, Chunks: chunks.done})
	if err != nil {
		return err
	}
	if _, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(names.CheckpointStream, &nats.Msg{Subject: manifestSubject(name), Data: value}), jetstream.WithExpectLastSequencePerSubject(before)); err != nil {
		return jet.Classify(err)
	}
	return s.sweepCheckpoints(ctx, name)
}

// sweepCheckpoints removes what lies before the oldest checkpoint that is kept:
// older ones, and parts of such as were never finished. Chunks behind it may be
// of another process; they go later.
func (s *Store) sweepCheckpoints(ctx context.Context, name string) error {
	kept, err := s.manifests(ctx, name)
	if err != nil || len(kept) == 0 {
		return err
	}
	oldest := kept[len(kept)-1].Chunks[0].Seq
	return jet.Classify(s.checkpoints.Purge(ctx, jetstream.WithPurgeSubject(checkpointSubjects(name)), jetstream.WithPurgeSequence(oldest)))
}

// LoadCheckpoint gives read the last whole checkpoint of name and returns its
// sequence; ErrNotFound when there is none. A damaged one is logged and the one
// before is read instead: read may be called twice and starts afresh each time.
func (s *Store) LoadCheckpoint(ctx context.Context, name string, read func(seq uint64, r io.Reader) error) (uint64, error) {
	stored, err := s.manifests(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("load checkpoint %s: %w", name, err)
	}
	for _, m := range stored {
		chunks := &chunkReader{ctx: ctx, store: s, left: m.Chunks}
		if err = unzip(chunks, func(r io.Reader) error { return read(m.Seq, r) }); err == nil {
			return m.Seq, nil
		}
		if !errors.Is(err, errCheckpoint) {
			return 0, fmt.Errorf("load checkpoint %s: %w", name, err)
		}
		s.conn.Log.Error("checkpoint is damaged, the one before is used", "name", name, "seq", m.Seq, "err", err)
	}
	return 0, fmt.Errorf("checkpoint %s: %w", name, ErrNotFound)
}

func unzip(chunks *chunkReader, read func(io.Reader) error) error {
	zip, err := zstd.NewReader(chunks, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer zip.Close()
	if err := read(zip); err != nil {
		return errors.Join(err, chunks.err) // a failed chunk is the cause of what read met
	}
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return errors.Join(err, chunks.err)
	}
	return nil
}

// manifests of a name, newest first.
func (s *Store) manifests(ctx context.Context, name string) ([]manifest, error) {
	stored, _, err := lastOf(ctx, s, names.CheckpointStream, []string{manifestSubject(name)}, checkpointsKept,
		func(m jetstream.Msg, meta *jetstream.MsgMetadata) (v manifest, ok bool) {
			err := json.Unmarshal(m.Data(), &v)
			if err == nil && len(v.Chunks) == 0 {
				err = errors.New("it lists no chunks")
			}
			if err != nil {
				s.conn.Skip(names.CheckpointStream, m.Subject(), meta.Sequence.Stream, fmt.Errorf("it is not the manifest of a checkpoint: %w", err))
			}
			return v, err == nil
		})
	slices.Reverse(stored)
	return stored, err
}

// chunkWriter stores what is written to it in messages of chunkSize.
type chunkWriter struct {
	ctx     context.Context
	store   *Store
	subject string
	buf     []byte
	done    []chunk
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), chunkSize-len(w.buf))
		w.buf, rest = append(w.buf, rest[:n]...), rest[n:]
		if len(w.buf) == chunkSize {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (w *chunkWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	ack, err := w.store.conn.JS.PublishMsg(w.ctx, w.store.conn.Sealed(names.CheckpointStream, &nats.Msg{Subject: w.subject, Data: w.buf}))
	if err != nil {
		return jet.Classify(err)
	}
	w.done = append(w.done, chunk{Seq: ack.Sequence, CRC: crc32.Checksum(w.buf, castagnoli)})
	w.buf = w.buf[:0]
	return nil
}

// chunkReader reads chunks and lets none pass whose checksum differs.
type chunkReader struct {
	ctx   context.Context
	store *Store
	left  []chunk
	buf   []byte
	err   error
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.buf) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if len(r.left) == 0 {
			return 0, io.EOF
		}
		r.buf, r.err = r.load(r.left[0])
		r.left = r.left[1:]
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

func (r *chunkReader) load(c chunk) ([]byte, error) {
	m, err := r.store.checkpoints.GetMsg(r.ctx, c.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%w: chunk %d is missing", errCheckpoint, c.Seq)
	}
	if err != nil {
		return nil, jet.ReadError(r.ctx, err)
	}
	if crc32.Checksum(m.Data, castagnoli) != c.CRC {
		return nil, fmt.Errorf("%w: checksum of chunk %d differs", errCheckpoint, c.Seq)
	}
	return m.Data, nil
}

func manifestSubject(name string) string {
	return names.CheckpointPrefix + names.Token(name) + ".manifest"
}

func chunkSubject(name string) string { return names.CheckpointPrefix + names.Token(name) + ".chunk" }

func checkpointSubjects(name string) string { return names.CheckpointPrefix + names.Token(name) + ".>" }
