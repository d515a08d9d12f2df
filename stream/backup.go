package stream

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jsm.go"
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
	Format  int            `json:"format"` // of the store
	At      time.Time      `json:"at"`     // when it was begun
	Streams []BackupStream `json:"streams"`
}

// BackupStream is one stream or bucket in a backup.
type BackupStream struct {
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

// WriteBackup writes all streams and buckets to w, as a zip file, while they are in
// use. It is complete when WriteBackup returns nil.
func (s *Store) WriteBackup(ctx context.Context, w io.Writer) (*Backup, error) {
	nc, err := s.dial("callwatch backup") // closed with all that the snapshots leave behind
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	manager, err := jsm.New(nc, jsm.WithTimeout(s.conn.RequestWait()))
	if err != nil {
		return nil, fmt.Errorf("back up the store: %w", err)
	}
	var names []string
	list := s.conn.JS.StreamNames(ctx)
	for name := range list.Name() {
		if ownStream(name) {
			names = append(names, name)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("back up the store: %w", jet.Classify(err))
	}
	slices.SortFunc(names, backupOrder)
	b := &Backup{Format: format, At: time.Now().UTC()}
	archive := zip.NewWriter(w)
	for _, name := range names {
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
	b.Streams = append(b.Streams, BackupStream{Name: name, Messages: described.State.Messages, Bytes: described.State.Bytes, First: described.State.First, Last: described.State.Last})
	_, err = entry.Write(description.Bytes())
	return err
}

// ErrNotABackup says that a file is no backup of callwatch, or a part of one.
var ErrNotABackup = errors.New("not a complete backup of callwatch")

// ErrNotEmpty says that a backup is not restored because there is a store already.
var ErrNotEmpty = errors.New("a backup is restored only where there is no store")

// ReadBackup reads the description of a backup.
func ReadBackup(r io.ReaderAt, size int64) (*Backup, error) {
	_, b, err := openBackup(r, size)
	return b, err
}

func openBackup(r io.ReaderAt, size int64) (*zip.Reader, *Backup, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotABackup, err)
	}
	text, err := readEntry(archive, backupManifest, maxManifest)
	if err != nil {
		return nil, nil, err
	}
	b := &Backup{}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrNotABackup, backupManifest, err)
	}
	if b.Format > format {
		return nil, nil, fmt.Errorf("the backup has format %d, this callwatch reads up to %d: use a newer callwatch", b.Format, format)
	}
	if len(b.Streams) == 0 || len(b.Streams) > maxBackupStreams {
		return nil, nil, fmt.Errorf("%w: it names %d streams", ErrNotABackup, len(b.Streams))
	}
	for i, s := range b.Streams {
		if !ownStream(s.Name) || slices.ContainsFunc(b.Streams[:i], func(o BackupStream) bool { return o.Name == s.Name }) {
			return nil, nil, fmt.Errorf("%w: it names the stream %q", ErrNotABackup, s.Name)
		}
	}
	return archive, b, nil
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

// Restore makes a store from a backup, where there is none: in an empty data
// directory, or on a NATS server that has no stream of callwatch. What it left
// behind when it failed must be removed before it is tried again.
func Restore(ctx context.Context, cfg Config, r io.ReaderAt, size int64, progress func(done, total uint64)) (*Backup, error) {
	archive, b, err := openBackup(r, size)
	if err != nil {
		return nil, err
	}
	if err := b.verify(ctx, archive); err != nil {
		return nil, err
	}
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if cfg.URL == "" {
		if err := refuseUsed(cfg.Dir); err != nil {
			return nil, err
		}
		if err := s.startEmbedded(); err != nil {
			return nil, err
		}
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	list := s.conn.JS.StreamNames(ctx)
	for name := range list.Name() {
		if ownStream(name) {
			return nil, fmt.Errorf("%w: the server has the stream %s", ErrNotEmpty, name)
		}
	}
	if err := list.Err(); err != nil {
		return nil, jet.Classify(err)
	}
	manager, err := jsm.New(s.conn.NC, jsm.WithTimeout(s.conn.RequestWait()))
	if err != nil {
		return nil, fmt.Errorf("restore the store: %w", err)
	}
	var done uint64
	for _, want := range b.Streams {
		if err := s.restoreStream(ctx, manager, archive, want); err != nil {
			return nil, fmt.Errorf("restore %s: %w", want.Name, err)
		}
		done += want.Messages
		progress(done, b.Messages())
	}
	return b, nil
}

// verify reads the whole backup and compares its checksums, before anything is restored.
func (b *Backup) verify(ctx context.Context, archive *zip.Reader) error {
	for _, s := range b.Streams {
		for _, name := range []string{s.Name + ".json", s.Name + ".data"} {
			f, err := archive.Open(name)
			if err != nil {
				return fmt.Errorf("%w: it has no %s", ErrNotABackup, name)
			}
			_, err = io.Copy(io.Discard, f)
			if err = errors.Join(err, f.Close(), ctx.Err()); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrNotABackup, name, err)
			}
		}
	}
	return nil
}

// refuseUsed reports a data directory that holds something.
func refuseUsed(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("data directory: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%w: data directory %s has files; move it away, or give another one", ErrNotEmpty, dir)
	}
	return nil
}

func (s *Store) restoreStream(ctx context.Context, manager *jsm.Manager, archive *zip.Reader, want BackupStream) error {
	description, err := readEntry(archive, want.Name+".json", maxDescription)
	if err != nil {
		return err
	}
	if description, err = s.restoredAs(description, want.Name); err != nil {
		return err
	}
	data, err := archive.Open(want.Name + ".data")
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

// restoredAs is the description of a stream with the copies that this store keeps:
// a backup of a cluster may be restored on one server.
func (s *Store) restoredAs(description []byte, name string) ([]byte, error) {
	var d struct {
		Config jetstream.StreamConfig `json:"config"`
		State  json.RawMessage        `json:"state"`
	}
	if err := json.Unmarshal(description, &d); err != nil || d.Config.Name != name {
		return nil, fmt.Errorf("%w: %s.json does not describe the stream", ErrNotABackup, name)
	}
	d.Config.Replicas, d.Config.Placement = s.cfg.Replicas, nil
	return json.Marshal(d)
}
