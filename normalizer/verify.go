package normalizer

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/minio/highwayhash"

	"callwatch/call"
)

// Verify checks a request against the keys and returns it as a webhook that may
// be stored. A configured URL token is enough; without a right one the
// provider's own signature decides. Which schemes are open is decided by the
// configuration, never by a header of the request.
func Verify(p Provider, r *Request, k Keys) (Webhook, error) {
	if !p.Verifiable(k) {
		return Webhook{}, ErrOff
	}
	if i := matchToken(k[URLToken], r.Token); i >= 0 {
		return identified(p, r, fmt.Sprintf("url_token %d", i+1), ""), nil
	}
	if p.Verify == nil {
		return Webhook{}, ErrSignature
	}
	key, err := p.Verify(r, k)
	if err != nil {
		return Webhook{}, err
	}
	return identified(p, r, key, r.Signed), nil
}

// defaultReplay is the Replay of providers that name none.
const defaultReplay = 5 * time.Minute

// identityKey is the key of Digest.
var identityKey = func() (key [highwayhash.Size]byte) {
	_, _ = rand.Read(key[:]) // it never fails
	return key
}()

// identified is a verified request with its identity. Of the headers only those count
// that the signature covers or that the provider's mapping reads: others may be
// changed by anybody who has captured the request.
func identified(p Provider, r *Request, key, signed string) Webhook {
	hook := trusted(p, r, key)
	b := &hook.body
	h, err := highwayhash.New128(identityKey[:])
	if err != nil {
		panic(err) // the key has another size
	}
	add := func(part []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	for _, part := range []string{call.Source(p.Name, r.Account), key, signed, strconv.FormatBool(IsForm(b.ContentType, b.Bytes))} {
		add([]byte(part))
	}
	for _, name := range p.Headers {
		add([]byte(b.Header[name]))
	}
	add(b.Bytes)
	b.Identity.Within = cmp.Or(p.Replay, defaultReplay)
	h.Sum(b.Identity.Digest[:0])
	return hook
}

// Refused says before the body is read that Verify will refuse the request: where
// a provider signs nothing, its token decides alone.
func Refused(p Provider, token string, k Keys) bool {
	return p.Verify == nil && matchToken(k[URLToken], token) < 0
}

// Trust takes a request without any check: development on a loopback listener.
func Trust(p Provider, r *Request) Webhook { return trusted(p, r, "unverified") }

func trusted(p Provider, r *Request, key string) Webhook {
	return Webhook{Body{
		Provider: p.Name, Account: r.Account, Source: Pushed, ContentType: r.ContentType,
		Header: keptHeaders(p, r), Bytes: r.Body, ReceivedAt: r.ReceivedAt, Key: key,
	}}
}

// maxHeader bounds a stored header value in bytes; a longer one is left out.
const maxHeader = 512

// keptHeaders are the request's headers that the provider's mapping reads, under
// the names by which the provider lists them.
func keptHeaders(p Provider, r *Request) map[string]string {
	var kept map[string]string
	for _, name := range p.Headers {
		v := r.Header.Get(name)
		if v == "" || len(v) > maxHeader {
			continue
		}
		if kept == nil {
			kept = make(map[string]string, len(p.Headers))
		}
		kept[name] = v
	}
	return kept
}

// matchToken compares digests, so that neither content nor length of a token
// shows in the time it takes. It returns the index of the match or -1.
func matchToken(tokens []string, given string) int {
	match := -1
	if len(tokens) == 0 {
		return match
	}
	sum := sha256.Sum256([]byte(given))
	for i, t := range tokens {
		want := sha256.Sum256([]byte(t))
		if t != "" && given != "" && subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			match = i
		}
	}
	return match
}
