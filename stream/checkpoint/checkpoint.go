// Package checkpoint keeps states of the rule engine, compressed and in parts that have
// checksums. Of callwatch it imports the packages jet and names.
package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

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

// Checkpoints are the checkpoints of a store.
type Checkpoints struct {
	conn   *jet.Conn
	stream *jet.Stream
}

// New returns the checkpoints that are kept in a stream.
func New(conn *jet.Conn, stream *jet.Stream) *Checkpoints {
	return &Checkpoints{conn: conn, stream: stream}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCheckpoint = errors.New("damaged checkpoint")

// SaveCheckpoint stores what write writes as the state of name at a sequence of
// EVENTS. The checkpoint before stays in force until this one is whole, and is
// kept after. ErrConflict means that another process saved under this name
// meanwhile: its checkpoint is in force.
func (c *Checkpoints) SaveCheckpoint(ctx context.Context, name string, seq uint64, write func(io.Writer) error) error {
	if err := c.save(ctx, name, seq, write); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", name, err)
	}
	return nil
}

func (c *Checkpoints) save(ctx context.Context, name string, seq uint64, write func(io.Writer) error) error {
	var before uint64 // the manifest in force
	last, err := c.stream.GetLastMsgForSubject(ctx, manifestSubject(name))
	switch {
	case err == nil:
		before = last.Sequence
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return jet.ReadError(ctx, err)
	}
	chunks := chunkWriter{ctx: ctx, of: c, subject: chunkSubject(name)}
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
	if _, err := c.conn.JS.PublishMsg(ctx, c.conn.Sealed(names.CheckpointStream, &nats.Msg{Subject: manifestSubject(name), Data: value}), jetstream.WithExpectLastSequencePerSubject(before)); err != nil {
		return jet.Classify(err)
	}
	return c.sweep(ctx, name)
}

// sweep removes what lies before the oldest checkpoint that is kept:
// older ones, and parts of such as were never finished. Chunks behind it may be
// of another process; they go later.
func (c *Checkpoints) sweep(ctx context.Context, name string) error {
	kept, err := c.manifests(ctx, name)
	if err != nil || len(kept) == 0 {
		return err
	}
	oldest := kept[len(kept)-1].Chunks[0].Seq
	return jet.Classify(c.stream.Purge(ctx, jetstream.WithPurgeSubject(checkpointSubjects(name)), jetstream.WithPurgeSequence(oldest)))
}

// LoadCheckpoint gives read the last whole checkpoint of name and returns its
// sequence; ErrNotFound when there is none. A damaged one is logged and the one
// before is read instead: read may be called twice and starts afresh each time.
func (c *Checkpoints) LoadCheckpoint(ctx context.Context, name string, read func(seq uint64, r io.Reader) error) (uint64, error) {
	stored, err := c.manifests(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("load checkpoint %s: %w", name, err)
	}
	for _, m := range stored {
		chunks := &chunkReader{ctx: ctx, of: c, left: m.Chunks}
		if err = unzip(chunks, func(r io.Reader) error { return read(m.Seq, r) }); err == nil {
			return m.Seq, nil
		}
		if !errors.Is(err, errCheckpoint) {
			return 0, fmt.Errorf("load checkpoint %s: %w", name, err)
		}
		c.conn.Log.Error("checkpoint is damaged, the one before is used", "name", name, "seq", m.Seq, "err", err)
	}
	return 0, fmt.Errorf("checkpoint %s: %w", name, jet.ErrNotFound)
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

// LeaveSlots removes the slots that no checkpoint of format 1 is in; those in
// use are read where they are, and go with the checkpoints that replace them.
func LeaveSlots(ctx context.Context, c *Checkpoints) error {
	info, err := c.stream.Info(ctx, jetstream.WithSubjectFilter(names.CheckpointPrefix+"*.manifest"))
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	for subject := range info.State.Subjects {
		name, ok := names.Untoken(strings.TrimSuffix(strings.TrimPrefix(subject, names.CheckpointPrefix), ".manifest"))
		if !ok {
			continue
		}
		if err := c.sweep(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// manifests of a name, newest first.
func (c *Checkpoints) manifests(ctx context.Context, name string) ([]manifest, error) {
	stored, _, err := jet.LastOf(ctx, c.conn, names.CheckpointStream, []string{manifestSubject(name)}, checkpointsKept,
		func(m jetstream.Msg, meta *jetstream.MsgMetadata) (v manifest, ok bool) {
			err := json.Unmarshal(m.Data(), &v)
			if err == nil && len(v.Chunks) == 0 {
				err = errors.New("it lists no chunks")
			}
			if err != nil {
				c.conn.Skip(names.CheckpointStream, m.Subject(), meta.Sequence.Stream, fmt.Errorf("it is not the manifest of a checkpoint: %w", err))
			}
			return v, err == nil
		})
	slices.Reverse(stored)
	return stored, err
}

// EraseCheckpoints overwrites and removes all checkpoints of name but the last.
func (c *Checkpoints) EraseCheckpoints(ctx context.Context, name string) error {
	stored, err := c.manifests(ctx, name)
	if err != nil || len(stored) == 0 {
		return err
	}
	keep := map[uint64]bool{}
	for _, part := range stored[0].Chunks {
		keep[part.Seq] = true
	}
	var old []uint64
	var manifest uint64
	cursor := jet.Cursor{Conn: c.conn, Stream: names.CheckpointStream, Subjects: []string{checkpointSubjects(name)}, Batch: jet.MessagesAtOnce, ToEnd: true}
	cursor.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq := meta.Sequence.Stream
		if m.Subject() == manifestSubject(name) {
			seq, manifest = manifest, seq // the last one stays
		}
		if seq != 0 && !keep[seq] {
			old = append(old, seq)
		}
		return nil
	}
	if err := cursor.Run(ctx); err != nil {
		return fmt.Errorf("checkpoints of %s: %w", name, err)
	}
	for _, seq := range old {
		if err := jet.Overwrite(ctx, c.stream, seq); err != nil {
			return fmt.Errorf("erase a checkpoint of %s: %w", name, err)
		}
	}
	return nil
}

// chunkWriter stores what is written to it in messages of chunkSize.
type chunkWriter struct {
	ctx     context.Context
	of      *Checkpoints
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
	ack, err := w.of.conn.JS.PublishMsg(w.ctx, w.of.conn.Sealed(names.CheckpointStream, &nats.Msg{Subject: w.subject, Data: w.buf}))
	if err != nil {
		return jet.Classify(err)
	}
	w.done = append(w.done, chunk{Seq: ack.Sequence, CRC: crc32.Checksum(w.buf, castagnoli)})
	w.buf = w.buf[:0]
	return nil
}

// chunkReader reads chunks and lets none pass whose checksum differs.
type chunkReader struct {
	ctx  context.Context
	of   *Checkpoints
	left []chunk
	buf  []byte
	err  error
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
	m, err := r.of.stream.GetMsg(r.ctx, c.Seq)
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
