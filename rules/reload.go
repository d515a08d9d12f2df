package rules

import "fmt"

// Swap is an engine that goes on with another set where this one stands, as if
// it had been stopped and restored with that set: incidents of rules whose name
// and `by` are the same live on. The checkpoint is what a restart has to begin
// with, so that it judges nothing by the new rules that the old ones judged.
// This engine remains as it is.
func (g *Engine) Swap(set *Set) (next *Engine, checkpoint []byte, err error) {
	checkpoint, err = g.Checkpoint()
	if err != nil {
		return nil, nil, err
	}
	if next, err = Restore(set, g.opt, checkpoint); err != nil {
		return nil, nil, fmt.Errorf("swap rules: %w", err)
	}
	return next, checkpoint, nil
}

// settleRestored is what a restored engine does at its first input: close incidents of
// rules that are no more, and follow the silences of a rules file that changed.
// For a file that did not change it does nothing.
func (g *Engine) settleRestored() {
	if !g.restored {
		return
	}
	g.restored = false
	g.closeOrphans()
	g.coverAll("it is no longer in the rules file")
}
