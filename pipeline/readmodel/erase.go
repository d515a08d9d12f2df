package readmodel

import (
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
)

// Erase removes calls of which the events were erased from the store, from the file
// as from the disk.
func (m *Model) Erase(ctx context.Context, calls []call.Key) error {
	ends, err := m.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	m.feeding.Lock()
	defer m.feeding.Unlock()
	d := m.feed
	if d == nil {
		return fmt.Errorf("read model: %w", backend.ErrIndexing)
	}
	err = d.transact(ctx, func() error {
		for _, k := range calls {
			d.erased[k] = ends.Last // messages on their way to the feed
			e, err := d.load(ctx, k)
			if err != nil {
				return err
			}
			e.seqs, e.changed, e.absent = nil, true, false
			d.touch(e)
			if err := d.exec(`DELETE FROM named WHERE "callId" = ? AND provider = ?`, k.CallID, k.Provider); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Pages that were overwritten are in the log until it is moved into the file.
	_, _, err = d.conn.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	return err
}
