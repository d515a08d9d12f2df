package calls

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/s2"

	"callwatch/call"
)

// dictionaries compress the calls of each provider: they have the same members, so
// a few of them predict most of the others.
type dictionaries map[string]*dictionary

type dictionary struct {
	text []byte
	s2   *s2.Dict
}

const (
	maxDictionary          = 32 << 10 // bytes
	maxSamplesOfDictionary = 32       // calls
	maxCallState           = 64 << 20 // bytes; a call with an hour of intervals has about a quarter of a million
)

var errCompressed = errors.New("a compressed call is damaged")

// learn makes the dictionary of a provider from one or more of its calls.
func (d dictionaries) learn(provider string, calls [][]byte) {
	var text []byte
	for _, sample := range calls {
		if len(text) == 0 {
			sample = sample[:min(len(sample), maxDictionary)]
		}
		if len(text)+len(sample) <= maxDictionary {
			text = append(text, sample...)
		}
	}
	d[provider] = &dictionary{text, s2.MakeDict(text, nil)}
}

// set takes a dictionary from a checkpoint.
func (d dictionaries) set(provider string, text []byte) error {
	if len(text) < s2.MinDictSize || len(text) > maxDictionary {
		return errCompressed
	}
	text = bytes.Clone(text)
	d[provider] = &dictionary{text, s2.MakeDict(text, nil)}
	return nil
}

func (d dictionaries) compress(provider string, text []byte) []byte {
	return bytes.Clone(d[provider].s2.Encode(nil, text))
}

func (d dictionaries) decompress(provider string, b []byte) ([]byte, error) {
	dict := d[provider]
	n, err := s2.DecodedLen(b)
	if err != nil || n > maxCallState || dict == nil {
		return nil, errCompressed
	}
	return dict.s2.Decode(nil, b)
}

// mentions reports whether the dictionary was made from the call, among others: of its
// facts, or of its events, which escape more.
func (d *dictionary) mentions(key call.Key) bool {
	if d == nil {
		return false
	}
	id := strings.ToValidUTF8(key.CallID, "\ufffd")
	const member = `"callId":`
	fact, err := jsontext.AppendQuote([]byte(member), id)
	if err != nil {
		return true
	}
	event, err := jsontext.AppendFormat([]byte(member), fact[len(member):], jsontext.EscapeForHTML(true), jsontext.EscapeForJS(true))
	return err != nil || bytes.Contains(d.text, fact) || bytes.Contains(d.text, event)
}
