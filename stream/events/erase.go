package events

import (
	"context"
	"fmt"
	"time"

	"callwatch/stream/jet"
)

// EraseEvents overwrites and removes events by their sequences; those that are
// gone are passed over. A tick is stored before, so that no sequence is given twice.
func (s *Events) EraseEvents(ctx context.Context, now time.Time, seqs []uint64) error {
	if len(seqs) == 0 {
		return nil
	}
	if err := s.PublishTick(ctx, now); err != nil {
		return err
	}
	for _, seq := range seqs {
		if err := jet.Overwrite(ctx, s.stream, seq); err != nil {
			return fmt.Errorf("erase event %d: %w", seq, err)
		}
	}
	return nil
}
