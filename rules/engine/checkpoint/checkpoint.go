// Package checkpoint is the form in which the state of the rule engine is stored: writing it,
// reading it, and removing calls from it. It may import call, rules and the parts of the
// engine below it.
package checkpoint

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/parts"
	"callwatch/rules/engine/past"
)

// Version changes when older builds can no longer read a checkpoint; oldestCheckpoint
// is the first one that this build reads. One that cannot be read is no loss: the events are
// replayed instead. Since 9 calls may be there as their events.
const (
	Version          = 9
	oldestCheckpoint = 8
)

// File is the engine's state as it is stored, as JSON behind its length; the
// event ids that are remembered and the calls follow.
type File struct {
	Version int                   `json:"version"`
	Set     string                `json:"set"` // digest of the rules file
	Now     time.Time             `json:"now"`
	Seq     uint64                `json:"seq"`
	Rules   []Rule                `json:"rules"`
	Keys    []*lifecycle.KeyState `json:"keys"`

	Orphans  []Orphan                `json:"orphans,omitempty"` // of rules that were gone when it was restored, not closed yet
	Silences []rules.CompiledSilence `json:"silences,omitempty"`
	Reported []string                `json:"reported,omitempty"`
}

// Rule is the state of a rule, and what it is recognized by.
type Rule struct {
	Name  string   `json:"name"`
	By    []string `json:"by"`
	Kind  string   `json:"kind"`
	Shape string   `json:"shape,omitempty"` // of the window
	lifecycle.RuleState
}

// Write writes the checkpoint with the hashes of event ids and the calls behind it.
func (c *File) Write(w io.Writer, seen past.Events, cache *calls.Cache, gone past.Calls) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	buffer := bufio.NewWriterSize(w, 1<<16)
	out := parts.NewWriter(buffer)
	out.Bytes(b)
	seen.Write(out)
	cache.Write(out)
	gone.Write(out)
	if err := cmp.Or(out.Err, buffer.Flush()); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// Read reads what Write wrote, up to the calls.
func Read(in *parts.Reader) (c File, seen past.Events, err error) {
	if err := in.JSON(&c); err != nil {
		return c, seen, fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version < oldestCheckpoint || c.Version > Version {
		return c, seen, fmt.Errorf("read checkpoint: version %d, not %d to %d", c.Version, oldestCheckpoint, Version)
	}
	seen.Read(in)
	return c, seen, nil
}

// Orphan is a key with an open incident whose rule is no longer evaluated.
type Orphan struct {
	lifecycle.KeyState
	Why string `json:"why,omitempty"`
}
