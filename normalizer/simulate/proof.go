package simulate

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // fixed by the provider's scheme
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
)

// scheme is one way in which a sender proves who it is.
type scheme struct {
	setting string                           // sending setting that holds the key
	fits    func(key string) bool            // the keys of this scheme among several; nil: any
	sign    func(key string, d *draft) error // nil: the key is a path segment
	// resends says that a retry carries the timestamp of the first attempt.
	resends bool
	// digestInURL says that the URL carries the digest of a body that is no form.
	digestInURL bool
}

// draft is a request while it is being signed.
type draft struct {
	url    string // as the receiver is known to the provider
	header http.Header
	body   []byte
	now    time.Time
}

// proof lists the schemes a kind of request can use, the usual one first.
type proof []scheme

// choose returns the first scheme whose key is there.
func (p proof) choose(keys normalizer.Keys) (s scheme, key string, ok bool) {
	for _, s := range p {
		for _, key := range keys[s.setting] {
			if key != "" && (s.fits == nil || s.fits(key)) {
				return s, key, true
			}
		}
	}
	return scheme{}, "", false
}

// byToken is for senders that cannot sign.
func byToken() scheme { return scheme{setting: normalizer.URLToken} }

// byEd25519 signs timestamp, pipe and body; the key is the base64 seed.
func byEd25519() scheme {
	return scheme{setting: privateKey, sign: func(key string, d *draft) error {
		private, err := ed25519Key(key)
		if err != nil {
			return err
		}
		at := unix(d.now)
		signed := append([]byte(at+"|"), d.body...)
		d.header.Set("Telnyx-Timestamp", at)
		d.header.Set("Telnyx-Signature-Ed25519", base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed)))
		return nil
	}}
}

// byURLAndBody signs url and body in hex, once with SHA-1 and once with SHA-256.
func byURLAndBody() scheme {
	return scheme{setting: signingKey, sign: func(key string, d *draft) error {
		signed := append([]byte(d.url), d.body...)
		d.header.Set("X-Signalwire-Signature", hex.EncodeToString(mac(sha1.New, key, signed)))
		d.header.Set("X-Signalwire-Sha256-Signature", hex.EncodeToString(mac(sha256.New, key, signed)))
		return nil
	}}
}

// byURLAndForm signs url and, for a form, its sorted keys and values. For
// another body the url itself carries the body's digest.
func byURLAndForm() scheme {
	return scheme{setting: signingKey, digestInURL: true, sign: func(key string, d *draft) error {
		var signed strings.Builder
		signed.WriteString(d.url)
		if d.header.Get("Content-Type") == formType {
			values, err := url.ParseQuery(string(d.body))
			if err != nil {
				return err
			}
			for _, name := range sortedKeys(values) {
				for _, v := range values[name] {
					signed.WriteString(name + v)
				}
			}
		}
		sum := mac(sha1.New, key, []byte(signed.String()))
		d.header.Set("X-Signalwire-Signature", base64.StdEncoding.EncodeToString(sum))
		return nil
	}}
}

// byURLAndDigest signs timestamp, url and the digest of the body, a line each.
func byURLAndDigest() scheme {
	return scheme{
		setting: signingKey, resends: true,
		fits: func(key string) bool { return !strings.HasPrefix(key, standardPrefix) },
		sign: func(key string, d *draft) error {
			at, sum := unix(d.now), sha256.Sum256(d.body)
			signed := append([]byte(at+"\n"+d.url+"\n"), sum[:]...)
			d.header.Set("Messagebird-Request-Timestamp", at)
			d.header.Set("Messagebird-Signature", base64.StdEncoding.EncodeToString(mac(sha256.New, key, signed)))
			return nil
		},
	}
}

const standardPrefix = "whsec_"

// byStandardWebhooks signs id, timestamp and body; the id is a header already.
func byStandardWebhooks() scheme {
	return scheme{
		setting: signingKey,
		fits:    func(key string) bool { return strings.HasPrefix(key, standardPrefix) },
		sign: func(key string, d *draft) error {
			secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, standardPrefix))
			if err != nil {
				return err
			}
			at := unix(d.now)
			signed := append([]byte(d.header.Get("Webhook-Id")+"."+at+"."), d.body...)
			sum := mac(sha256.New, string(secret), signed)
			d.header.Set("Webhook-Timestamp", at)
			d.header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum))
			return nil
		},
	}
}

// byBody signs the body alone, in hex.
func byBody() scheme {
	return scheme{setting: signingSecret, sign: func(key string, d *draft) error {
		d.header.Set("X-Signature", hex.EncodeToString(mac(sha256.New, key, d.body)))
		return nil
	}}
}

func mac(h func() hash.Hash, key string, signed []byte) []byte {
	m := hmac.New(h, []byte(key))
	m.Write(signed)
	return m.Sum(nil)
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func sortedKeys(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
