package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Each message that callwatch stores carries a seal: a keyed hash of its subject
// and of its own headers. The key is in the metadata of the stream. A message
// without a valid seal was published by another program: it is skipped, counted
// and named. The seal protects against accidents. It does not protect against a
// program that reads the key and may publish; permissions do.
//
// Frames of RAW have a checksum instead.
const headerSeal = "callwatch-seal"

// Metadata of each stream.
const (
	metaSealKey    = "callwatch-seal"
	metaSealedFrom = "callwatch-sealed-from" // first sequence whose message must have a seal
)

// sealedHeaders are the headers that a seal covers.
var sealedHeaders = [...]string{
	headerID, headerSubject, headerTime, headerRaw, headerIndex, headerOrigin, headerCountsAt, headerReplaces,
	headerRule, headerKey, headerCause, headerDue, headerRewrites, headerOperation, headerFiller,
	headerStored,
}

const (
	headerOperation = "KV-Operation"       // DEL or PURGE: the key was deleted
	headerMarker    = "Nats-Marker-Reason" // set by the server on the marker of an expired key
)

// seal makes and checks the seals of one stream.
type seal struct {
	key  [32]byte
	from uint64 // messages before have none: an older callwatch stored them
}

func (x *seal) of(subject string, h nats.Header) string {
	var stack [512]byte
	b := append(stack[:0], subject...)
	for i, name := range sealedHeaders {
		if v := h[name]; len(v) > 0 {
			b = append(b, 0, byte(i))
			b = append(b, v[0]...)
		}
	}
	sum := highwayhash.Sum64(b, x.key[:])
	return strconv.FormatUint(sum, 36)
}

// sealOf returns the seal of a stream; nil for a stream that has none.
func (s *Store) sealOf(stream string) *seal {
	if x, ok := s.seals.Load(stream); ok {
		return x.(*seal)
	}
	return nil
}

// sealed adds the seal to a message for a stream and returns the message.
func (s *Store) sealed(stream string, m *nats.Msg) *nats.Msg {
	if x := s.sealOf(stream); x != nil {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header[headerSeal] = []string{x.of(m.Subject, m.Header)}
	}
	return m
}

var (
	errNoSeal    = errors.New("it was not published by callwatch: it has no seal")
	errWrongSeal = errors.New("it was not published by callwatch: its seal is not valid")
)

// foreign returns why the message at a sequence is not callwatch's, nil when it is.
func (s *Store) foreign(stream, subject string, h nats.Header, seq uint64) error {
	if stream == rawStream && subject == rawSubject {
		return nil // its checksum is in the frame
	}
	if h.Get(headerMarker) != "" && strings.HasPrefix(stream, kvPrefix) {
		return nil
	}
	x := s.sealOf(stream)
	if x == nil || seq < x.from {
		return wellFormed(stream, subject, h)
	}
	switch have := h.Get(headerSeal); have {
	case "":
		return errNoSeal
	case x.of(subject, h):
		return nil
	default:
		return errWrongSeal
	}
}

// wellFormed checks a message that was stored before seals: its subject and
// headers must be what callwatch writes.
func wellFormed(stream, subject string, h nats.Header) error {
	switch {
	case subject == tickSubject, subject == markSubject:
		return nil
	case stream == eventStream:
		raw, index, err := place(h)
		if err != nil || raw.Seq == 0 || index < 0 {
			return errors.New("it names no stored webhook")
		}
		if h.Get(headerID) == "" {
			return errors.New("it has no event id")
		}
	case stream == alertStream:
		if _, err := parseCause(h.Get(headerCause)); err != nil {
			return errors.New("it names no cause")
		}
		if alertSubject(unescapeHeader(h.Get(headerRule)), unescapeHeader(h.Get(headerKey))) != subject {
			return errors.New("its subject is not that of its rule and key")
		}
	case stream == taskStream:
		if due := h.Get(headerDue); due != "" {
			if _, err := time.Parse(time.RFC3339Nano, due); err != nil {
				return errors.New("its time cannot be read")
			}
		}
	case stream == rawStream:
		if len(rewrittenBy(h)) == 0 {
			return errors.New("it does not name the frame that it replaces")
		}
	}
	return nil
}

// sealMetadata returns the metadata that a stream needs, nil when it has it. The
// key follows from the stream's creation, so that replicas that start together
// choose the same.
func sealMetadata(info *jetstream.StreamInfo) map[string]string {
	if _, ok := sealFrom(info.Config.Metadata); ok {
		return nil
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s %d", info.Config.Name, info.Created.UnixNano()))
	all := maps.Clone(info.Config.Metadata)
	if all == nil {
		all = map[string]string{}
	}
	all[metaSealKey] = hex.EncodeToString(key[:])
	all[metaSealedFrom] = strconv.FormatUint(info.State.LastSeq+1, 10)
	return all
}

func sealFrom(metadata map[string]string) (*seal, bool) {
	key, err := hex.DecodeString(metadata[metaSealKey])
	from, err2 := strconv.ParseUint(metadata[metaSealedFrom], 10, 64)
	if err != nil || err2 != nil || len(key) != 32 {
		return nil, false
	}
	return &seal{key: [32]byte(key), from: from}, true
}

// useSeal takes the seal of a stream from its metadata. A stream without one is
// read as an older callwatch left it.
func (s *Store) useSeal(info *jetstream.StreamInfo) {
	x, ok := sealFrom(info.Config.Metadata)
	if !ok {
		x = &seal{from: math.MaxUint64}
	}
	s.seals.Store(info.Config.Name, x)
}
