package jet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/names"
)

// Each message that callwatch stores carries a seal: a keyed hash of its subject
// and of its own headers. The key is in the metadata of the stream. A message
// without a valid seal was published by another program: it is skipped, counted
// and named. The seal protects against accidents. It does not protect against a
// program that reads the key and may publish; permissions do.
//
// Frames of RAW have a checksum instead.
const HeaderSeal = "callwatch-seal"

// Metadata of each stream.
const (
	metaSealKey    = "callwatch-seal"
	metaSealedFrom = "callwatch-sealed-from" // first sequence whose message must have a seal
)

// sealedHeaders are the headers that a seal covers.
var sealedHeaders = [...]string{
	HeaderID, HeaderSubject, HeaderTime, HeaderRaw, HeaderIndex, HeaderOrigin, HeaderCountsAt, HeaderReplaces,
	HeaderRule, HeaderKey, HeaderCause, HeaderDue, HeaderRewrites, HeaderOperation, HeaderFiller,
	HeaderStored,
}

// Seal makes and checks the seals of one stream.
type Seal struct {
	key  [32]byte
	From uint64 // messages before have none: an older callwatch stored them
}

func (x *Seal) of(subject string, h nats.Header) string {
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

// SealOf returns the seal of a stream; nil for a stream that has none.
func (c *Conn) SealOf(stream string) *Seal {
	if x, ok := c.Seals.Load(stream); ok {
		return x.(*Seal)
	}
	return nil
}

// Sealed adds the seal to a message for a stream and returns the message.
func (c *Conn) Sealed(stream string, m *nats.Msg) *nats.Msg {
	if x := c.SealOf(stream); x != nil {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header[HeaderSeal] = []string{x.of(m.Subject, m.Header)}
	}
	return m
}

var (
	errNoSeal    = errors.New("it was not published by callwatch: it has no seal")
	errWrongSeal = errors.New("it was not published by callwatch: its seal is not valid")
)

// Check returns why the message at a sequence is not callwatch's, nil when it is.
func (c *Conn) Check(stream, subject string, h nats.Header, seq uint64) error {
	if stream == names.RawStream && subject == names.RawSubject {
		return nil // its checksum is in the frame
	}
	if h.Get(HeaderMarker) != "" && strings.HasPrefix(stream, names.BucketStreamPrefix) {
		return nil
	}
	x := c.SealOf(stream)
	if x == nil || seq < x.From {
		return c.wellFormed(stream, subject, h)
	}
	switch have := h.Get(HeaderSeal); have {
	case "":
		return errNoSeal
	case x.of(subject, h):
		return nil
	default:
		return errWrongSeal
	}
}

// SealMetadata returns the metadata that a stream needs, nil when it has it. The
// key follows from the stream's creation, so that replicas that start together
// choose the same.
func SealMetadata(info *jetstream.StreamInfo) map[string]string {
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

func sealFrom(metadata map[string]string) (*Seal, bool) {
	key, err := hex.DecodeString(metadata[metaSealKey])
	from, err2 := strconv.ParseUint(metadata[metaSealedFrom], 10, 64)
	if err != nil || err2 != nil || len(key) != 32 {
		return nil, false
	}
	return &Seal{key: [32]byte(key), From: from}, true
}

// UseSeal takes the seal of a stream from its metadata. A stream without one is
// read as an older callwatch left it.
func (c *Conn) UseSeal(info *jetstream.StreamInfo) {
	x, ok := sealFrom(info.Config.Metadata)
	if !ok {
		x = &Seal{From: math.MaxUint64}
	}
	c.Seals.Store(info.Config.Name, x)
}
