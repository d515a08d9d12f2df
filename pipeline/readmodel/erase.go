package readmodel

import (
	"context"

	"github.com/ncruces/go-sqlite3"

	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules/engine/checkpoint"
)

// Erase removes calls of which the events were erased from the store, and numbers that
// no stored call has from the keys of incidents, from the file as from the disk.
func (m *Model) Erase(ctx context.Context, what checkpoint.Forgetting) (remains []string, err error) {
	return nil, m.forget(ctx, what)
}

func (m *Model) forget(ctx context.Context, what checkpoint.Forgetting) error {
	ends, err := m.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	m.feeding.Lock()
	defer m.feeding.Unlock()
	d := m.feed
	if d == nil { // it does not run: what is not in the file cannot be read from it
		return sqlitefile.Remove(m.cfg.Path)
	}
	err = d.transact(ctx, func() error {
		for _, k := range what.Calls {
			d.erased[k] = ends.Last // messages on their way to the feed
			e, err := d.load(ctx, k)
			if err != nil {
				return err
			}
			e.seqs, e.changed, e.absent = nil, true, false
			d.touch(e)
			tables := []string{"named"}
			if d.build != nil {
				tables = append(tables, "later")
				if err := d.save(ctx, e); err != nil {
					return err
				}
			}
			for _, table := range tables {
				if err := d.exec("DELETE FROM "+table+" WHERE "+schema.SameCall, schema.KeyArgs(k)...); err != nil {
					return err
				}
			}
		}
		return d.redact(what.Redact)
	})
	if err != nil {
		return err
	}
	// Pages that were overwritten are in the log until it is moved into the file.
	_, _, err = d.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	return err
}

// redact replaces texts in the keys of incidents.
func (d *feed) redact(text func(string) string) error {
	if text == nil {
		return nil
	}
	keys := map[string]string{}
	err := d.query("SELECT DISTINCT key FROM steps", nil, func(s *sqlite3.Stmt) error {
		if had := s.ColumnText(0); text(had) != had {
			keys[had] = text(had)
		}
		return nil
	})
	for had, now := range keys {
		if err == nil {
			err = d.exec("UPDATE steps SET key = ? WHERE key = ?", now, had)
		}
	}
	return err
}

// File is the file of a model that does not run.
type File struct{ Path string }

// Erase removes the file: the model is built again when it runs.
func (f File) Erase(context.Context, checkpoint.Forgetting) (remains []string, err error) {
	return nil, sqlitefile.Remove(f.Path)
}
