package past

import "callwatch/rules/engine/parts"

// Events recognizes events whose call is no longer kept, so that a webhook
// retried days later does not start its call again. It holds the latest one to
// two million hashes.
type Events struct {
	recent map[uint64]struct{}
	older  map[uint64]struct{}
}

const maxRemembered = 1_000_000

// Add remembers id and says whether it was known already.
func (m *Events) Add(id string) (known bool) {
	h := parts.Hash(id)
	if _, known = m.recent[h]; known {
		return true
	}
	if _, known = m.older[h]; known {
		return true
	}
	if len(m.recent) >= maxRemembered {
		m.older, m.recent = m.recent, nil
	}
	if m.recent == nil {
		m.recent = map[uint64]struct{}{}
	}
	m.recent[h] = struct{}{}
	return false
}

// Empty reports whether no event was seen.
func (m *Events) Empty() bool { return len(m.recent) == 0 }

// Write writes the hashes.
func (m *Events) Write(out *parts.Writer) {
	out.Hashes(m.recent)
	out.Hashes(m.older)
}

// Read reads what Write wrote.
func (m *Events) Read(in *parts.Reader) { m.recent, m.older = in.Hashes(), in.Hashes() }
