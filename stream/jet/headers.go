package jet

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// Headers of stored messages.
const (
	// Of an event: its id, its time, the id of its call, and the record and place in it
	// that it was made from.
	HeaderID      = "ce-id"
	HeaderSubject = "ce-subject"
	HeaderTime    = "ce-time"
	HeaderRaw     = "callwatch-raw"
	HeaderIndex   = "callwatch-index"
	// Of a backfilled event: the record whose body it has, when it counts, and the events
	// that it replaces.
	HeaderOrigin   = "callwatch-source"
	HeaderCountsAt = "callwatch-counts-at"
	HeaderReplaces = "callwatch-replaces"
	// Of a transition: its rule, its key and what caused it; of one that was rewritten, when
	// it was stored first.
	HeaderRule   = "callwatch-rule"
	HeaderKey    = "callwatch-key"
	HeaderCause  = "callwatch-cause"
	HeaderStored = "callwatch-stored"
	// When a task is due.
	HeaderDue = "callwatch-due"
	// The sequences that a rewritten frame or transition replaces.
	HeaderRewrites = "callwatch-rewrites"
	// HeaderFiller marks a message that only takes up a sequence. A stream that lost its
	// end would give sequences a second time, and a stage would take what is new for what
	// it has seen.
	HeaderFiller = "callwatch-filler"
	// Of a bucket: DEL or PURGE says that the key was deleted; the server sets the marker
	// on a key that expired.
	HeaderOperation = "KV-Operation"
	HeaderMarker    = "Nats-Marker-Reason"
)

// RewrittenBy are the sequences that a frame or transition replaces, the oldest first.
func RewrittenBy(h nats.Header) []uint64 {
	var seqs []uint64
	for text := range strings.SplitSeq(h.Get(HeaderRewrites), ",") {
		if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}
