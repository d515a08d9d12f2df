package readmodel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"

	"callwatch/pipeline/readmodel/figures"
)

const (
	// readersAtOnce is how many queries read at the same time; further ones wait.
	readersAtOnce = 3

	// Memory for pages of the file, in KiB: of the connection that writes and of each
	// that reads.
	writerCache = 64 << 10
	readerCache = 16 << 10

	busyWait = 5000 // milliseconds for a lock of another connection
	walPages = 4000 // written before they are moved into the file
)

// file is an open file of the model. Its connection for writing belongs to who holds
// the model's lock for feeding.
type file struct {
	writer  *sqlite3.Conn
	readers chan *sqlite3.Conn
	empty   bool            // it was made just now
	ctx     context.Context // ends when the file is closed
	close   context.CancelFunc
}

// errOther says that a file cannot be continued: it is of another version or store.
var errOther = errors.New("the file is of another version or of another store")

// openFile opens the file at path, which it creates if there is none.
func openFile(path string) (*file, error) {
	_, missing := os.Stat(path)
	conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	if err != nil {
		return nil, err
	}
	f := &file{writer: conn, readers: make(chan *sqlite3.Conn, readersAtOnce)}
	f.ctx, f.close = context.WithCancel(context.Background())
	f.empty = errors.Is(missing, fs.ErrNotExist)
	if err := f.prepare(path); err != nil {
		return nil, errors.Join(err, f.release())
	}
	return f, nil
}

func (f *file) prepare(path string) error {
	if f.empty {
		// Each page has a checksum: a flipped bit is an error and not another figure.
		if err := f.writer.EnableChecksums("main"); err != nil {
			return err
		}
	}
	// What is deleted is overwritten. A power loss may take the last batches, never the
	// file: they are read from the streams again.
	pragmas := fmt.Sprintf("PRAGMA busy_timeout=%d; PRAGMA journal_mode=wal; PRAGMA synchronous=normal; PRAGMA secure_delete=on; "+
		"PRAGMA temp_store=memory; PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d;", busyWait, writerCache, walPages)
	if err := f.writer.Exec(pragmas); err != nil {
		return err
	}
	if f.empty {
		if err := f.writer.Exec("BEGIN IMMEDIATE;" + schema() + "INSERT INTO meta VALUES ('version', '" + version() + "'); COMMIT"); err != nil {
			return err
		}
	}
	have, err := metaText(f.writer, "version")
	switch {
	case errors.Is(err, sqlite3.ERROR): // there is no such table
		return errOther
	case err != nil:
		return err
	case have != version():
		return errOther
	}
	switch unfinished, err := metaKnown(f.writer, "building"); {
	case err != nil:
		return err
	case unfinished:
		return errUnfinished
	}
	for range readersAtOnce {
		conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE)
		if err != nil {
			return err
		}
		f.readers <- conn
		if err := conn.Exec(fmt.Sprintf("PRAGMA busy_timeout=%d; PRAGMA query_only=on; PRAGMA temp_store=memory; PRAGMA cache_size=-%d", busyWait, readerCache)); err != nil {
			return err
		}
	}
	return nil
}

// release closes all connections. Queries that still run are ended first.
func (f *file) release() error {
	f.close()
	var errs []error
	for range len(f.readers) {
		errs = append(errs, (<-f.readers).Close())
	}
	return errors.Join(append(errs, f.writer.Close())...)
}

// read runs a query on a connection of its own, until ctx or the file ends.
func (f *file) read(ctx context.Context, fn func(*sqlite3.Conn) error) error {
	var conn *sqlite3.Conn
	select {
	case conn = <-f.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.readers <- conn }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(f.ctx, stop)()
	conn.SetInterrupt(ctx)
	defer conn.SetInterrupt(context.Background())
	err := fn(conn)
	if errors.Is(err, sqlite3.INTERRUPT) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// damaged reports whether an error says that the file cannot be used any more.
func damaged(err error) bool {
	for _, code := range []sqlite3.ErrorCode{sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.FORMAT} {
		if errors.Is(err, code) {
			return true
		}
	}
	for _, code := range []sqlite3.ExtendedErrorCode{sqlite3.IOERR_DATA, sqlite3.IOERR_SHORT_READ, sqlite3.IOERR_CORRUPTFS} {
		if errors.Is(err, code) {
			return true
		}
	}
	return errors.Is(err, errOther) || errors.Is(err, figures.ErrUnreadable) || errors.Is(err, errUnfinished)
}

// Remove deletes the file of a model that is not running. Its content is overwritten
// first: it names callers.
func Remove(path string) error {
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", ""} {
		errs = append(errs, shred(path+suffix))
	}
	return errors.Join(errs...)
}

func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.Mode().IsRegular() {
			_, err = io.CopyN(f, zeros{}, info.Size())
		}
		err = errors.Join(err, f.Sync(), f.Close())
	}
	return errors.Join(err, os.Remove(path))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func metaText(conn *sqlite3.Conn, name string) (value string, err error) {
	err = each(conn, "SELECT value FROM meta WHERE name = ?", []any{name}, func(s *sqlite3.Stmt) (bool, error) {
		value = s.ColumnText(0)
		return false, nil
	})
	return value, err
}

func metaKnown(conn *sqlite3.Conn, name string) (known bool, err error) {
	err = each(conn, "SELECT 1 FROM meta WHERE name = ?", []any{name}, func(*sqlite3.Stmt) (bool, error) {
		known = true
		return false, nil
	})
	return known, err
}
