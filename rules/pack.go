package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"callwatch/call"
)

// packedCall is a callState at rest: what is looked at without an event stands
// beside the packed rest.
type packedCall struct {
	Touched  time.Time
	Ended    time.Time
	EndedSeq uint64
	Outcomes string // an outcome each, by the rule's place in the set
	Over     bool   // the call has ended
	Settled  bool
	Rest     []byte // restOfCall as JSON, compressed
}

// restOfCall is the part of a callState that only an event changes.
type restOfCall struct {
	Call  call.Call  `json:"call"`
	Holds []callHold `json:"holds,omitempty"`
}

// packer compresses calls with a dictionary per provider: a provider's calls have
// the same members, so the first one tells most of what the others look like.
type packer map[string]*codec

type codec struct {
	dictionary []byte
	enc        *zstd.Encoder
	dec        *zstd.Decoder
}

const (
	dictionaryID  = 1
	maxDictionary = 32 << 10
	maxUnpacked   = 64 << 20 // bytes; a call with an hour of intervals has about one million
)

func newCodec(dictionary []byte) *codec {
	c := &codec{dictionary: dictionary}
	var err error
	c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionaryID, dictionary), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10))
	if err == nil {
		c.dec, err = zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked))
	}
	if err != nil {
		panic(fmt.Sprintf("rules: options of zstd: %v", err)) // the same for every call
	}
	return c
}

// codecFor is the provider's codec, made with the first call that is packed.
func (p packer) codecFor(provider string, first []byte) *codec {
	c := p[provider]
	if c == nil {
		var names []byte
		for _, f := range call.Fields() {
			names = append(names, `"`+f.Name+`":`...)
		}
		c = newCodec(append(names, first[:min(len(first), maxDictionary)]...))
		p[provider] = c
	}
	return c
}

func (p packer) pack(provider string, cs *callState) *packedCall {
	text, err := json.Marshal(restOfCall{cs.Call, cs.Holds})
	if err != nil {
		panic(fmt.Sprintf("rules: a call that was folded cannot be written: %v", err))
	}
	outcomes := make([]byte, len(cs.Outcomes))
	for i, o := range cs.Outcomes {
		outcomes[i] = byte(o)
	}
	return &packedCall{
		Touched: cs.Touched, Ended: cs.Ended, EndedSeq: cs.EndedSeq, Outcomes: string(outcomes), Over: cs.ended(), Settled: cs.Settled,
		Rest: bytes.Clone(p.codecFor(provider, text).enc.EncodeAll(text, nil)),
	}
}

// unpack is the call as it was. A rest that cannot be read is damage to a
// checkpoint that its checksum did not show: the call is what stands beside it.
func (p packer) unpack(key call.Key, packed *packedCall) *callState {
	cs := &callState{
		Touched: packed.Touched, Ended: packed.Ended, EndedSeq: packed.EndedSeq, Settled: packed.Settled,
		Outcomes: unpackOutcomes(packed.Outcomes),
	}
	var rest restOfCall
	text, err := p[key.Provider].dec.DecodeAll(packed.Rest, nil)
	if err == nil {
		err = json.Unmarshal(text, &rest)
	}
	if err != nil {
		rest = restOfCall{}
		rest.Call.Provider, rest.Call.CallID = key.Provider, key.CallID
	}
	cs.Call, cs.Holds = rest.Call, rest.Holds
	return cs
}

func unpackOutcomes(packed string) []outcome {
	o := make([]outcome, len(packed))
	for i := range packed {
		o[i] = outcome(packed[i])
	}
	return o
}
