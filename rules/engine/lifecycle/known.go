package lifecycle

import (
	"slices"
	"time"

	"callwatch/rules/condition"
	"callwatch/rules/engine/parts"
)

// MaxKnown bounds the values remembered for one key. Beyond, whether another one is
// new cannot be told: its calls are unjudged.
const MaxKnown = 1000

// KnownValues are what a rule about new values has seen of one key.
type KnownValues struct {
	Since  time.Time `json:"since"`
	Hashes []uint64  `json:"hashes"` // sorted
}

// Take remembers a value and tells whether it was seen for the first time; unknown
// where it was not seen among as many as are remembered.
func (k *KnownValues) Take(value string) condition.Truth {
	h := parts.Hash(value)
	i, found := slices.BinarySearch(k.Hashes, h)
	switch {
	case found:
		return condition.False
	case len(k.Hashes) >= MaxKnown:
		return condition.Unknown
	}
	k.Hashes = slices.Insert(k.Hashes, i, h)
	return condition.True
}
