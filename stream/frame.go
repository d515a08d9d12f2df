package stream

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
	frameVersion  = 1
	frameHeader   = 10
	frameTrailer  = 4
	flagZstd      = 1
	flagLost      = 2
	maxFrameCount = 256
	maxFrameSize  = 4 << 20  // where a frame is closed; a larger record has a frame of its own
	frameWindow   = 1 << 20  // how far back compression looks
	maxFrameRead  = 64 << 20 // no payload is larger when decompressed
	compressFrom  = 512      // shorter payloads gain nothing
)

var (
	errFrame   = errors.New("damaged frame")
	errNoFrame = errors.New("it is not a frame of webhooks")
	errMissing = errors.New("missing from the store")
)

// codec encodes and decodes frames; only decoding is safe for concurrent use.
type codec struct {
	table *crc32.Table
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	zbuf  []byte
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(frameWindow), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFrameRead))
	if err != nil {
		return nil, err
	}
	return &codec{table: crc32.MakeTable(crc32.Castagnoli), enc: enc, dec: dec}, nil
}

// encode writes a frame of count records behind dst[:0]. Telephony JSON shrinks
// to a fifth or less; a payload that does not is left as it is.
func (c *codec) encode(dst, payload []byte, count int) []byte {
	body, flags := payload, byte(0)
	if len(payload) >= compressFrom {
		c.zbuf = c.enc.EncodeAll(payload, c.zbuf[:0])
		if len(c.zbuf) < len(payload)/8*7 {
			body, flags = c.zbuf, flagZstd
		}
	}
	dst = append(dst[:0], frameVersion, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return c.seal(append(dst, body...))
}

// empty is a frame without records; flagLost in it says that the frame which
// had its sequence is lost.
func (c *codec) empty(flags byte) []byte {
	return c.seal(append(make([]byte, 0, frameHeader+frameTrailer), frameVersion, flags, 0, 0, 0, 0, 0, 0, 0, 0))
}

func (c *codec) seal(frame []byte) []byte {
	return binary.BigEndian.AppendUint32(frame, crc32.Checksum(frame, c.table))
}

// isFrame reports whether the header of b is that of a frame. One that is not was
// published by another program; one that is, and has a wrong checksum, is damaged.
func isFrame(b []byte) bool {
	if len(b) < frameHeader+frameTrailer || b[0] != frameVersion || b[1]&^(flagZstd|flagLost) != 0 {
		return false
	}
	count, size := binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:])
	return count <= maxFrameCount && size <= maxFrameRead
}

// decode checks a frame and reads its records; their bodies share one buffer.
func (c *codec) decode(frame []byte) ([]Record, error) {
	if !isFrame(frame) {
		return nil, errNoFrame
	}
	end := len(frame) - frameTrailer
	if crc32.Checksum(frame[:end], c.table) != binary.BigEndian.Uint32(frame[end:]) {
		return nil, fmt.Errorf("%w: checksum differs", errFrame)
	}
	if frame[1]&flagLost != 0 {
		return nil, errMissing
	}
	count, size := binary.BigEndian.Uint32(frame[2:]), binary.BigEndian.Uint32(frame[6:])
	payload := frame[frameHeader:end]
	if frame[1]&flagZstd != 0 {
		if size > maxFrameRead {
			return nil, fmt.Errorf("%w: %d bytes decompressed", errFrame, size)
		}
		var err error
		if payload, err = c.dec.DecodeAll(payload, make([]byte, 0, size)); err != nil {
			return nil, fmt.Errorf("%w: %w", errFrame, err)
		}
	}
	if uint64(size) != uint64(len(payload)) || uint64(count) > uint64(len(payload)) || count > maxFrameCount {
		return nil, fmt.Errorf("%w: sizes differ", errFrame)
	}
	records := make([]Record, 0, count)
	for range count {
		r, rest, ok := readRecord(payload)
		if !ok {
			return nil, fmt.Errorf("%w: record %d does not parse", errFrame, len(records))
		}
		records, payload = append(records, r), rest
	}
	if len(payload) > 0 {
		return nil, fmt.Errorf("%w: %d bytes left over", errFrame, len(payload))
	}
	return records, nil
}
