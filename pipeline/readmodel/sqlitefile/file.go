// Package sqlitefile is an SQLite file that can be made again from something else: it is
// written by one connection and read by a few, and when it is damaged or of another
// version it is removed rather than repaired. It knows nothing of what the tables mean.
package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"
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

// File is an open file.
type File struct {
	Writer *sqlite3.Conn // for one goroutine at a time
	Empty  bool          // the file was made just now

	readers chan *sqlite3.Conn
	ctx     context.Context // ends with End
	end     context.CancelFunc
}

// ErrOther says that a file cannot be continued: it is of another version or store.
var ErrOther = errors.New("the file is of another version or of another store")

// Open opens the file at path, which it creates if there is none: schema is the
// statements that make its tables, one of them meta (name, value), in which the version
// is kept. It fails with ErrOther if the file has another one.
func Open(path, schema, version string) (*File, error) {
	_, missing := os.Stat(path)
	conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	if err != nil {
		return nil, err
	}
	f := &File{Writer: conn, readers: make(chan *sqlite3.Conn, readersAtOnce)}
	f.ctx, f.end = context.WithCancel(context.Background())
	f.Empty = errors.Is(missing, fs.ErrNotExist)
	if err := f.prepare(path, schema, version); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *File) prepare(path, schema, version string) error {
	if f.Empty {
		// Each page has a checksum: a flipped bit is an error and not another figure.
		if err := f.Writer.EnableChecksums("main"); err != nil {
			return err
		}
	}
	// What is deleted is overwritten. A power loss may take the last batches, never the
	// file: they are read from the streams again.
	pragmas := fmt.Sprintf("PRAGMA busy_timeout=%d; PRAGMA journal_mode=wal; PRAGMA synchronous=normal; PRAGMA secure_delete=on; "+
		"PRAGMA temp_store=memory; PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d;", busyWait, writerCache, walPages)
	if err := f.Writer.Exec(pragmas); err != nil {
		return err
	}
	if f.Empty {
		if err := f.Writer.Exec("BEGIN IMMEDIATE;" + schema + "INSERT INTO meta VALUES ('version', '" + version + "'); COMMIT"); err != nil {
			return err
		}
	}
	have, _, err := Meta(f.Writer, "version")
	switch {
	case errors.Is(err, sqlite3.ERROR): // there is no such table
		return ErrOther
	case err != nil:
		return err
	case have != version:
		return ErrOther
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

// End ends the queries that run and fails those that come.
func (f *File) End() { f.end() }

// Ended reports whether End or Close was called.
func (f *File) Ended() bool { return f.ctx.Err() != nil }

// Close closes all connections. Queries that still run are ended first.
func (f *File) Close() error {
	f.End()
	var errs []error
	for range len(f.readers) {
		errs = append(errs, (<-f.readers).Close())
	}
	return errors.Join(append(errs, f.Writer.Close())...)
}

// Read runs a query on a connection of its own, until ctx or the file ends.
func (f *File) Read(ctx context.Context, fn func(*sqlite3.Conn) error) error {
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

// Damaged reports whether an error says that the file cannot be used any more.
func Damaged(err error) bool {
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
	return errors.Is(err, ErrOther)
}

// Remove deletes a file that is not open. Its content is overwritten first.
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

// Meta is a value of the table meta, and whether it is there.
func Meta(conn *sqlite3.Conn, name string) (value string, known bool, err error) {
	err = Each(conn, "SELECT value FROM meta WHERE name = ?", []any{name}, func(s *sqlite3.Stmt) (bool, error) {
		value, known = s.ColumnText(0), true
		return false, nil
	})
	return value, known, err
}

// Each runs a query and hands in its rows until fn wants no more.
func Each(conn *sqlite3.Conn, sql string, args []any, fn func(*sqlite3.Stmt) (more bool, err error)) (err error) {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer func() {
		if closed := stmt.Close(); err == nil {
			err = closed
		}
	}()
	if err := Bind(stmt, args...); err != nil {
		return err
	}
	for stmt.Step() {
		if more, err := fn(stmt); err != nil || !more {
			return err
		}
	}
	return stmt.Err()
}

// Bind binds values to a statement, the first one to its first parameter.
func Bind(stmt *sqlite3.Stmt, values ...any) error {
	for i, v := range values {
		var err error
		switch v := v.(type) {
		case nil:
			err = stmt.BindNull(i + 1)
		case int64:
			err = stmt.BindInt64(i+1, v)
		case uint64:
			err = stmt.BindInt64(i+1, int64(v)) //nolint:gosec // sequences
		case int:
			err = stmt.BindInt64(i+1, int64(v))
		case float64:
			err = stmt.BindFloat(i+1, v)
		case string:
			err = stmt.BindText(i+1, v)
		case []byte:
			err = stmt.BindBlob(i+1, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
