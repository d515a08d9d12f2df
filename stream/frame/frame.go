// Package frame encodes webhooks as they are stored in RAW: records, and frames of many
// records under one checksum. It imports nothing of callwatch.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// A frame is one message of RAW: many records under one checksum and one fsync.
//
//	version 1 | flags 1 | count 4 | size 4 | payload | crc32c of all before 4
//
// Integers are big-endian; size is that of the payload before compression. A
// frame without records is a probe; readers pass over it.
const (
	// HeaderSize and TrailerSize are the bytes of a frame that are not payload.
	HeaderSize  = 10
	TrailerSize = 4
	// MaxRecords is how many records a frame has at most.
	MaxRecords = 256
	// FullSize is the payload from which on a frame takes no further record; a larger
	// record has a frame of its own.
	FullSize = 4 << 20
	// MaxPayload is the most that a payload has when decompressed, in bytes.
	MaxPayload = 64 << 20
	// Lost is the flag of an empty frame whose sequence had records that are lost.
	Lost = 2

	version      = 1
	flagZstd     = 1
	window       = 1 << 20 // how far back compression looks
	compressFrom = 512     // shorter payloads gain nothing
)

var (
	// ErrDamaged is the error of a frame whose checksum or content is wrong.
	ErrDamaged = errors.New("damaged frame")
	// ErrNoFrame is the error of a message that another program published.
	ErrNoFrame = errors.New("it is not a frame of webhooks")
	// ErrMissing is the error of a frame that says that its records are lost.
	ErrMissing = errors.New("missing from the store")
)

// Codec encodes and decodes frames; only decoding is safe for concurrent use.
type Codec struct {
	table *crc32.Table
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	zbuf  []byte
}

// NewCodec returns a codec.
func NewCodec() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxPayload))
	if err != nil {
		return nil, err
	}
	return &Codec{table: crc32.MakeTable(crc32.Castagnoli), enc: enc, dec: dec}, nil
}

// Encode writes a frame of count records behind dst[:0]. Telephony JSON shrinks
// to a fifth or less; a payload that does not is left as it is.
func (c *Codec) Encode(dst, payload []byte, count int) []byte {
	body, flags := payload, byte(0)
	if len(payload) >= compressFrom {
		c.zbuf = c.enc.EncodeAll(payload, c.zbuf[:0])
		if len(c.zbuf) < len(payload)/8*7 {
			body, flags = c.zbuf, flagZstd
		}
	}
	dst = append(dst[:0], version, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return c.seal(append(dst, body...))
}

// Empty is a frame without records; Lost in it says that the frame which
// had its sequence is lost.
func (c *Codec) Empty(flags byte) []byte {
	return c.seal(append(make([]byte, 0, HeaderSize+TrailerSize), version, flags, 0, 0, 0, 0, 0, 0, 0, 0))
}

func (c *Codec) seal(frame []byte) []byte {
	return binary.BigEndian.AppendUint32(frame, crc32.Checksum(frame, c.table))
}

// Is reports whether the header of b is that of a frame. One that is not was
// published by another program; one that is, and has a wrong checksum, is damaged.
func Is(b []byte) bool {
	if len(b) < HeaderSize+TrailerSize || b[0] != version || b[1]&^(flagZstd|Lost) != 0 {
		return false
	}
	count, size := binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:])
	return count <= MaxRecords && size <= MaxPayload
}

// Decode checks a frame and reads its records; their bodies share one buffer.
func (c *Codec) Decode(frame []byte) ([]Record, error) {
	if !Is(frame) {
		return nil, ErrNoFrame
	}
	end := len(frame) - TrailerSize
	if crc32.Checksum(frame[:end], c.table) != binary.BigEndian.Uint32(frame[end:]) {
		return nil, fmt.Errorf("%w: checksum differs", ErrDamaged)
	}
	if frame[1]&Lost != 0 {
		return nil, ErrMissing
	}
	count, size := binary.BigEndian.Uint32(frame[2:]), binary.BigEndian.Uint32(frame[6:])
	payload := frame[HeaderSize:end]
	if frame[1]&flagZstd != 0 {
		if size > MaxPayload {
			return nil, fmt.Errorf("%w: %d bytes decompressed", ErrDamaged, size)
		}
		var err error
		if payload, err = c.dec.DecodeAll(payload, make([]byte, 0, size)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if uint64(size) != uint64(len(payload)) || uint64(count) > uint64(len(payload)) || count > MaxRecords {
		return nil, fmt.Errorf("%w: sizes differ", ErrDamaged)
	}
	records := make([]Record, 0, count)
	for range count {
		r, rest, ok := readRecord(payload)
		if !ok {
			return nil, fmt.Errorf("%w: record %d does not parse", ErrDamaged, len(records))
		}
		records, payload = append(records, r), rest
	}
	if len(payload) > 0 {
		return nil, fmt.Errorf("%w: %d bytes left over", ErrDamaged, len(payload))
	}
	return records, nil
}
