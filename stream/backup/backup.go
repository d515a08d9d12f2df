// Package backup writes the streams and buckets of a store into one file, and makes them from
// it. Of callwatch it imports the packages jet and names.
package backup

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const (
	backupManifest   = "manifest.json"
	maxManifest      = 1 << 20  // bytes
	maxDescription   = 64 << 10 // bytes, of one stream
	maxBackupStreams = 100
	keyValuePrefix   = "KV_"
)

// Backup describes a backup: what callwatch stored at a time.
type Backup struct {
	Format  int       `json:"format"` // of the store
	At      time.Time `json:"at"`     // when it was begun
	Streams []Stream  `json:"streams"`
}

// Stream is one stream or bucket in a backup.
type Stream struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	First    uint64 `json:"first"` // sequence
	Last     uint64 `json:"last"`  // sequence
}

// Messages is how many messages all streams of the backup have.
func (b *Backup) Messages() (n uint64) {
	for _, s := range b.Streams {
		n += s.Messages
	}
	return n
}

// backupOrder sorts streams so that each comes before those it is made from. What
// is stored during a backup is then missing at the end of a stream that others are
// made from only where they lack it too, and is made again from what is there.
func backupOrder(a, b string) int {
	rank := func(name string) int {
		return slices.Index([]string{names.CheckpointStream, names.AlertStream, names.DeadStream, names.EventStream, names.TaskStream, names.RawStream}, name)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// ownStream reports whether a stream or bucket is callwatch's.
func ownStream(name string) bool {
	switch name {
	case names.RawStream, names.EventStream, names.AlertStream, names.DeadStream, names.CheckpointStream, names.TaskStream:
		return true
	}
	bucket, ok := strings.CutPrefix(name, keyValuePrefix)
	return ok && strings.HasPrefix(bucket, names.BucketPrefix)
}

// Write writes all streams and buckets of a store of a format to w, as a zip file, while they
// are in use. It is complete when Write returns nil. What the snapshots leave behind is closed
// with nc, which is a connection of their own.
func Write(ctx context.Context, conn *jet.Conn, nc *nats.Conn, format int, w io.Writer) (*Backup, error) {
	manager, err := jsm.New(nc, jsm.WithTimeout(conn.RequestWait()))
	if err != nil {
		return nil, fmt.Errorf("back up the store: %w", err)
	}
	streams, err := ownStreams(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("back up the store: %w", err)
	}
	slices.SortFunc(streams, backupOrder)
	b := &Backup{Format: format, At: time.Now().UTC()}
	archive := zip.NewWriter(w)
	for _, name := range streams {
		if err := b.addStream(ctx, manager, archive, name); err != nil {
			return nil, fmt.Errorf("back up %s: %w", name, err)
		}
	}
	entry, err := archive.Create(backupManifest)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(entry).Encode(b); err != nil {
		return nil, err
	}
	return b, archive.Close()
}

// ownStreams are the streams and buckets on a server that are callwatch's.
func ownStreams(ctx context.Context, conn *jet.Conn) (streams []string, err error) {
	list := conn.JS.StreamNames(ctx)
	for name := range list.Name() {
		if ownStream(name) {
			streams = append(streams, name)
		}
	}
	return streams, jet.Classify(list.Err())
}

// nopCloser is a writer that its user may close.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (b *Backup) addStream(ctx context.Context, manager *jsm.Manager, archive *zip.Writer, name string) error {
	st, err := manager.LoadStream(name)
	if err != nil {
		return err
	}
	// The server compresses what it sends.
	data, err := archive.CreateHeader(&zip.FileHeader{Name: name + ".data", Method: zip.Store, Modified: b.At})
	if err != nil {
		return err
	}
	var description bytes.Buffer
	if _, err := st.SnapshotToBuffer(ctx, nopCloser{data}, nopCloser{&description}); err != nil {
		return err
	}
	var described struct {
		State struct {
			Messages uint64 `json:"messages"`
			Bytes    uint64 `json:"bytes"`
			First    uint64 `json:"first_seq"`
			Last     uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := json.Unmarshal(description.Bytes(), &described); err != nil {
		return err
	}
	entry, err := archive.CreateHeader(&zip.FileHeader{Name: name + ".json", Method: zip.Deflate, Modified: b.At})
	if err != nil {
		return err
	}
	b.Streams = append(b.Streams, Stream{Name: name, Messages: described.State.Messages, Bytes: described.State.Bytes, First: described.State.First, Last: described.State.Last})
	_, err = entry.Write(description.Bytes())
	return err
}

// ErrNotABackup says that a file is no backup of callwatch, or a part of one.
var ErrNotABackup = errors.New("not a complete backup of callwatch")

// ErrNotEmpty says that a backup is not restored because there is a store already.
var ErrNotEmpty = errors.New("a backup is restored only where there is no store")

// File is a backup to restore.
type File struct {
	*Backup
	archive *zip.Reader
}

// Open reads the description of a backup of a store of at most a format.
func Open(r io.ReaderAt, size int64, format int) (*File, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotABackup, err)
	}
	text, err := readEntry(archive, backupManifest, maxManifest)
	if err != nil {
		return nil, err
	}
	b := &Backup{}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotABackup, backupManifest, err)
	}
	if b.Format > format {
		return nil, fmt.Errorf("the backup has format %d, this callwatch reads up to %d: use a newer callwatch", b.Format, format)
	}
	if len(b.Streams) == 0 || len(b.Streams) > maxBackupStreams {
		return nil, fmt.Errorf("%w: it names %d streams", ErrNotABackup, len(b.Streams))
	}
	for i, s := range b.Streams {
		if !ownStream(s.Name) || slices.ContainsFunc(b.Streams[:i], func(o Stream) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("%w: it names the stream %q", ErrNotABackup, s.Name)
		}
	}
	return &File{Backup: b, archive: archive}, nil
}

func readEntry(archive *zip.Reader, name string, most int64) ([]byte, error) {
	f, err := archive.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: it has no %s", ErrNotABackup, name)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", ErrNotABackup, name, err)
	case int64(len(text)) > most:
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrNotABackup, name, most)
	}
	return text, nil
}

// Verify reads the whole backup and compares its checksums, before anything is restored.
func (f *File) Verify(ctx context.Context) error {
	for _, s := range f.Streams {
		for _, name := range []string{s.Name + ".json", s.Name + ".data"} {
			part, err := f.archive.Open(name)
			if err != nil {
				return fmt.Errorf("%w: it has no %s", ErrNotABackup, name)
			}
			_, err = io.Copy(io.Discard, part)
			if err = errors.Join(err, part.Close(), ctx.Err()); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrNotABackup, name, err)
			}
		}
	}
	return nil
}

// Restore makes the streams and buckets on a server that has none of callwatch, each of as
// many copies.
func (f *File) Restore(ctx context.Context, conn *jet.Conn, replicas int, progress func(done, total uint64)) error {
	switch there, err := ownStreams(ctx, conn); {
	case err != nil:
		return err
	case len(there) > 0:
		return fmt.Errorf("%w: the server has the stream %s", ErrNotEmpty, there[0])
	}
	manager, err := jsm.New(conn.NC, jsm.WithTimeout(conn.RequestWait()))
	if err != nil {
		return fmt.Errorf("restore the store: %w", err)
	}
	var done uint64
	for _, want := range f.Streams {
		if err := f.restoreStream(ctx, manager, want, replicas); err != nil {
			return fmt.Errorf("restore %s: %w", want.Name, err)
		}
		done += want.Messages
		progress(done, f.Messages())
	}
	return nil
}

func (f *File) restoreStream(ctx context.Context, manager *jsm.Manager, want Stream, replicas int) error {
	description, err := readEntry(f.archive, want.Name+".json", maxDescription)
	if err != nil {
		return err
	}
	if description, err = restoredAs(description, want.Name, replicas); err != nil {
		return err
	}
	data, err := f.archive.Open(want.Name + ".data")
	if err != nil {
		return fmt.Errorf("%w: it has no %s.data", ErrNotABackup, want.Name)
	}
	state, err := manager.RestoreSnapshotFromBuffer(ctx, want.Name, data, io.NopCloser(bytes.NewReader(description)))
	if err != nil {
		return err
	}
	if state.Msgs != want.Messages || state.LastSeq != want.Last {
		return fmt.Errorf("%w: %d messages up to %d were restored, the backup has %d up to %d", ErrNotABackup, state.Msgs, state.LastSeq, want.Messages, want.Last)
	}
	return nil
}

// restoredAs is the description of a stream with the copies that a store keeps:
// a backup of a cluster may be restored on one server.
func restoredAs(description []byte, name string, replicas int) ([]byte, error) {
	var d struct {
		Config jetstream.StreamConfig `json:"config"`
		State  json.RawMessage        `json:"state"`
	}
	if err := json.Unmarshal(description, &d); err != nil || d.Config.Name != name {
		return nil, fmt.Errorf("%w: %s.json does not describe the stream", ErrNotABackup, name)
	}
	d.Config.Replicas, d.Config.Placement = replicas, nil
	return json.Marshal(d)
}
