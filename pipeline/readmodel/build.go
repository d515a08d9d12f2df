package readmodel

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/stream"
)

const (
	// mostSorted is up to how many events indexes are made at the end of a build:
	// sorting takes memory.
	mostSorted = 5_000_000

	seenBits  = 1 << 27 // 16 MB
	mostCells = 4096    // of the table hours that are held in memory
	atOnce    = 1000    // calls of one transaction at the end of a build

	// builtAfter is how long a build waits for a message that does not come.
	builtAfter = 5 * time.Second
)

// errUnfinished says that a build was interrupted: the file lacks what is made at its end.
var errUnfinished = errors.New("building the file was interrupted")

// build is the state of a file that is built from what is stored. Each call is written
// once, when it leaves the cache; indexes, figures of hours, severities and the
// further events of calls that had left the cache are made at the end. Until then
// nothing is synchronized with the disk, and a file of which the build was
// interrupted is built again.
type build struct {
	ends    stream.Ends // when it began
	indexed bool        // schema.Indexes were made first
	broken  bool        // calls in memory were lost
	last    time.Time   // when something came

	seed maphash.Seed
	seen []uint64 // bits by the hash of calls: false for calls that are certainly new
}

// begin makes an empty file one that is being built.
func (d *feed) begin(ends stream.Ends) error {
	b := &build{ends: ends, last: time.Now(), seed: maphash.MakeSeed(), seen: make([]uint64, seenBits/64)}
	sql := "PRAGMA synchronous=off; CREATE TABLE later (\"callId\" TEXT, provider TEXT, account TEXT, seq INTEGER); INSERT INTO meta VALUES ('building', '')"
	if b.indexed = ends.Last-min(ends.Last, ends.First) > mostSorted; b.indexed {
		sql += ";" + schema.Indexes
	}
	d.build = b
	return d.conn.Exec(sql)
}

// new reports whether a call is certainly not in the file, and notes it.
func (b *build) new(k call.Key) bool {
	h := maphash.Comparable(b.seed, k)
	known := true
	for _, at := range [...]uint64{h % seenBits, h >> 32 % seenBits} {
		bit := uint64(1) << (at % 64)
		known = known && b.seen[at/64]&bit != 0
		b.seen[at/64] |= bit
	}
	return !known
}

// loadBuilding is a call while the file is built; nil if it has left the cache: then
// the event at seq is noted for the end.
func (d *feed) loadBuilding(k call.Key, seq uint64) (*entry, error) {
	if e := d.calls.get(k); e != nil {
		return e, nil
	}
	if !d.build.new(k) {
		return nil, d.exec("INSERT INTO later VALUES (?, ?, ?, ?)", append(schema.KeyArgs(k), seq)...)
	}
	e := &entry{key: k}
	d.calls.put(e)
	return e, nil
}

// evict writes the calls that leave the cache.
func (d *feed) evict(ctx context.Context) error {
	for d.calls.full(d.calls.most) {
		e := d.calls.oldest()
		if err := d.save(ctx, e); err != nil {
			return err
		}
		d.calls.drop(e.key)
	}
	if len(d.hours) < mostCells {
		return nil
	}
	err := d.writeHours()
	clear(d.hours)
	return err
}

// built reports whether everything is there that was stored when the build began.
func (d *feed) built(came bool, now time.Time) bool {
	b := d.build
	if came {
		b.last = now
	}
	return d.event >= b.ends.Last && d.transition >= b.ends.LastTransition || now.Sub(b.last) > builtAfter
}

// finish makes what a build leaves for its end. If it fails, the file is built again.
func (d *feed) finish(ctx context.Context) error {
	if d.build.broken {
		return errUnfinished
	}
	indexed := d.build.indexed
	d.build = nil
	d.marked = 0
	for _, e := range d.calls.entries() {
		if e.dirty {
			d.dirty = append(d.dirty, e)
		}
	}
	err := d.transact(ctx, func() error {
		if indexed {
			return nil
		}
		return d.conn.Exec(schema.Indexes)
	})
	if err == nil {
		err = d.finishLater(ctx)
	}
	if err == nil {
		err = d.finishNames(ctx)
	}
	if err == nil {
		err = d.conn.Exec("DROP TABLE later; PRAGMA synchronous=full")
	}
	if err == nil {
		_, _, err = d.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	}
	if err == nil {
		err = d.conn.Exec("DELETE FROM meta WHERE name = 'building'; PRAGMA synchronous=normal")
	}
	return err
}

// finishLater folds the events of calls that had left the cache when they came.
func (d *feed) finishLater(ctx context.Context) error {
	for row, more := int64(0), true; more; {
		more = false
		err := d.transact(ctx, func() error {
			type event struct {
				key call.Key
				seq uint64
			}
			var events []event
			err := d.query(`SELECT rowid, "callId", provider, account, seq FROM later WHERE rowid > ? ORDER BY rowid LIMIT ?`, []any{row, atOnce}, func(s *sqlite3.Stmt) error {
				row, more = s.ColumnInt64(0), true
				events = append(events, event{schema.ReadKey(s, 1), uint64(s.ColumnInt64(4))}) //nolint:gosec // a sequence
				return nil
			})
			for _, v := range events {
				if err == nil {
					err = d.again(ctx, v.key, v.seq)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// again folds the stored events of a call again, with the one at seq.
func (d *feed) again(ctx context.Context, k call.Key, seq uint64) error {
	e, err := d.load(ctx, k)
	if err != nil {
		return err
	}
	if at, had := slices.BinarySearch(e.seqs, seq); !had {
		if len(e.seqs) >= mostOfCall {
			return nil
		}
		e.seqs = slices.Insert(e.seqs, at, seq)
	}
	e.absent, e.changed = true, true
	d.touch(e)
	return nil
}

// finishNames gives calls the incidents that name them.
func (d *feed) finishNames(ctx context.Context) error {
	last := call.Key{}
	for more := true; more; {
		more = false
		err := d.transact(ctx, func() error {
			var keys []call.Key
			err := d.query(`SELECT DISTINCT "callId", provider, account FROM named WHERE ("callId", provider, account) > (?, ?, ?) ORDER BY "callId", provider, account LIMIT ?`,
				append(schema.KeyArgs(last), atOnce), func(s *sqlite3.Stmt) error {
					keys = append(keys, schema.ReadKey(s, 0))
					return nil
				})
			for _, k := range keys {
				last, more = k, true
				if err == nil {
					err = d.rename(ctx, k)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
