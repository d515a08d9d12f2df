package simulate

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // fixed by the providers' schemes
	"encoding/base64"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
)

// Scheme is one way in which a sender proves who it is.
type Scheme struct {
	Setting string                           // sending setting that holds the key
	Fits    func(key string) bool            // the keys of this scheme among several; nil: any
	Sign    func(key string, d *Draft) error // nil: the key is a path segment
	// Resends says that a retry carries the timestamp of the first attempt.
	Resends bool
	// DigestInURL says that the URL carries the digest of a body that is no form.
	DigestInURL bool
}

// Draft is a request while it is being signed.
type Draft struct {
	URL    string // as the receiver is known to the provider
	Header http.Header
	Body   []byte
	Now    time.Time
	Keys   normalizer.Keys // all that the sender has, for schemes of several parts
}

// Proof lists the schemes a kind of request can use, the usual one first.
type Proof []Scheme

// choose returns the first scheme whose key is there.
func (p Proof) choose(keys normalizer.Keys) (s Scheme, key string, ok bool) {
	for _, s := range p {
		for _, key := range keys[s.Setting] {
			if key != "" && (s.Fits == nil || s.Fits(key)) {
				return s, key, true
			}
		}
	}
	return Scheme{}, "", false
}

// ByToken is for senders that cannot sign.
func ByToken() Scheme { return Scheme{Setting: normalizer.URLToken} }

func MAC(h func() hash.Hash, key string, signed []byte) []byte {
	m := hmac.New(h, []byte(key))
	m.Write(signed)
	return m.Sum(nil)
}

func Unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func SortedKeys(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ByURLSignature signs as the TwiML family does: the URL and, for a form, its sorted names
// and values. For another body the URL itself carries the body's digest.
func ByURLSignature(setting, header string) Scheme {
	return Scheme{Setting: setting, DigestInURL: true, Sign: func(key string, d *Draft) error {
		var signed strings.Builder
		signed.WriteString(d.URL)
		if d.Header.Get("Content-Type") == FormType {
			values, err := url.ParseQuery(string(d.Body))
			if err != nil {
				return err
			}
			for _, name := range SortedKeys(values) {
				for _, v := range values[name] {
					signed.WriteString(name + v)
				}
			}
		}
		d.Header.Set(header, base64.StdEncoding.EncodeToString(MAC(sha1.New, key, []byte(signed.String()))))
		return nil
	}}
}
