// Package signing checks and makes the proofs by which a provider shows who sends a webhook:
// signatures, tokens and passwords, as a declaration describes them.
package signing

import (
	"cmp"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer/declared/expression"
	"crypto/sha1" //nolint:gosec // fixed by the providers' schemes

	"github.com/golang-jwt/jwt/v5"

	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Scheme is one way in which a provider proves who sends a webhook.
type Scheme struct {
	Kind      string // one of Kinds
	Setting   string // of the secret, public key, password or token
	User      string // of basic: the setting of the user's name; "" for any
	Algorithm string // of hmac: sha1, sha256, sha384, sha512; of jwt: HS256, HS384, HS512
	Header    string
	Prefix    string // before the signature or token
	Format    []expression.Piece
	Encoding  string // of the signature: hex, base64, base64url
	Key       string // how the secret is written: text, hex, base64
	KeyPrefix string // before the secret, such as whsec_
	Signed    []expression.Piece
	Stamp     string        // header of the timestamp; "" where the format or nothing has it
	Unit      time.Duration // of the timestamp
	Tolerance time.Duration // 0: any age
	Claim     string        // of jwt: that holds the digest of the body
}

const (
	HMAC     = "hmac"
	Ed25519  = "ed25519"
	JWT      = "jwt"
	Standard = "standard-webhooks"
	Basic    = "basic"
	Token    = "token"
)

// Kinds are the names of the schemes.
func Kinds() []string {
	return []string{HMAC, Ed25519, JWT, Standard, Basic, Token}
}

// maxSignatures in one header: more are not looked at.
const maxSignatures = 8

// Check tries the schemes whose secrets are set, in their order.
func Check(schemes []Scheme, r *normalizer.Request, k normalizer.Keys) (string, error) {
	failed := normalizer.ErrSignature
	for i := range schemes {
		s := &schemes[i]
		if len(k[s.Setting]) == 0 {
			continue
		}
		key, err := s.check(r, k)
		if err == nil {
			return key, nil
		}
		failed = err
	}
	return "", failed
}

func (s *Scheme) check(r *normalizer.Request, k normalizer.Keys) (string, error) {
	given := r.Header.Get(s.Header)
	switch s.Kind {
	case JWT:
		return s.checkJWT(r, k, given)
	case Token:
		token, ok := strings.CutPrefix(given, s.Prefix)
		return normalizer.TryKeys(k, s.Setting, func(key string) bool { return ok && sameText(token, key) })
	case Basic:
		user, password, ok := (&http.Request{Header: r.Header}).BasicAuth()
		if s.User != "" {
			ok = ok && slices.ContainsFunc(k[s.User], func(name string) bool { return sameText(user, name) })
		}
		return normalizer.TryKeys(k, s.Setting, func(key string) bool { return ok && sameText(password, key) })
	}
	return s.checkSigned(r, k, given)
}

// checkSigned checks a signature over parts of the request.
func (s *Scheme) checkSigned(r *normalizer.Request, k normalizer.Keys, given string) (string, error) {
	given, ok := strings.CutPrefix(given, s.Prefix)
	if !ok || given == "" {
		return "", normalizer.ErrSignature
	}
	values := map[string]string{"timestamp": r.Header.Get(cmp.Or(s.Stamp, "\x00"))}
	signatures := []string{given}
	switch {
	case s.Kind == Standard:
		values["id"], values["timestamp"] = r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		signatures = standardSignatures(given)
	case len(s.Format) > 0:
		signatures = nil
		for name, value := range expression.Formatted(s.Format, given) {
			if name == "signature" {
				if len(signatures) < maxSignatures {
					signatures = append(signatures, value)
				}
				continue
			}
			values[name] = value
		}
	default:
		signatures = strings.Split(given, ",")
	}
	text, err := s.covered(r, values)
	if err != nil {
		return "", err
	}
	var sums [][]byte
	for _, g := range signatures[:min(len(signatures), maxSignatures)] {
		if sum := decode(s.Encoding, strings.TrimSpace(g)); len(sum) > 0 {
			sums = append(sums, sum)
		}
	}
	matched, err := normalizer.TryKeys(k, s.Setting, func(key string) bool {
		for _, t := range text {
			if slices.ContainsFunc(sums, func(sum []byte) bool { return s.matches(key, sum, t) }) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return "", err
	}
	if fresh := s.fresh(values["timestamp"], r.ReceivedAt); !fresh {
		return "", normalizer.ErrStale
	}
	r.Signed = strings.Join([]string{values["timestamp"], values["id"], values["nonce"]}, "\x00")
	return matched, nil
}

// matches compares one signature with what a key makes of the text.
func (s *Scheme) matches(key string, sum, text []byte) bool {
	key = strings.TrimPrefix(key, s.KeyPrefix)
	secret := []byte(key)
	if s.Key != "" && s.Key != "text" {
		if secret = decode(s.Key, key); len(secret) == 0 {
			return false
		}
	}
	if s.Kind == Ed25519 {
		return len(secret) == ed25519.PublicKeySize && ed25519.Verify(secret, text, sum)
	}
	return hmac.Equal(sum, normalizer.HmacOf(Digests()[s.Algorithm], secret, text))
}

// Digests are the hash functions of HMAC by their names.
func Digests() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
}

// covered is what was signed: several texts where senders differ in how they write the
// address.
func (s *Scheme) covered(r *normalizer.Request, values map[string]string) ([][]byte, error) {
	addresses := []string{r.URL}
	if expression.Uses(s.Signed, "url") {
		addresses = normalizer.PortVariants(r.URL)
	}
	var all [][]byte
	for _, address := range addresses {
		var b []byte
		for _, p := range s.Signed {
			switch p.Name {
			case "":
				b = append(b, p.Literal...)
			case "body":
				b = append(b, r.Body...)
			case "url":
				b = append(b, address...)
			case "form":
				form, err := lenient.ReadForm(r.Body)
				if err != nil || len(form) == 0 {
					return nil, normalizer.ErrSignature // the address alone would be signed
				}
				b = append(b, form.Signed()...)
			case "sha256":
				sum := sha256.Sum256(r.Body)
				b = append(b, hex.EncodeToString(sum[:])...)
			case "method":
				b = append(b, http.MethodPost...)
			case "path":
				if u, err := url.Parse(address); err == nil {
					b = append(b, u.RequestURI()...)
				}
			default:
				if values[p.Name] == "" {
					return nil, normalizer.ErrSignature
				}
				b = append(b, values[p.Name]...)
			}
		}
		all = append(all, b)
	}
	return all, nil
}

// fresh says whether a signed time is within the tolerance.
func (s *Scheme) fresh(stamp string, now time.Time) bool {
	if s.Tolerance == 0 {
		return true
	}
	n, err := strconv.ParseInt(strings.TrimSpace(stamp), 10, 64)
	if err != nil || n <= 0 || n > 1<<53 {
		return false
	}
	unit := cmp.Or(s.Unit, time.Second)
	at := time.Unix(n, 0)
	if unit == time.Millisecond {
		at = time.UnixMilli(n)
	}
	return now.Sub(at).Abs() <= s.Tolerance
}

// checkJWT checks a token that carries the digest of the body.
func (s *Scheme) checkJWT(r *normalizer.Request, k normalizer.Keys, given string) (string, error) {
	given, ok := strings.CutPrefix(given, s.Prefix)
	if !ok || given == "" || len(given) > 8192 {
		return "", normalizer.ErrSignature
	}
	sum := sha256.Sum256(r.Body)
	leeway := cmp.Or(s.Tolerance, 5*time.Minute)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{s.Algorithm}), jwt.WithLeeway(leeway), jwt.WithTimeFunc(func() time.Time { return r.ReceivedAt }))
	stale := false
	key, err := normalizer.TryKeys(k, s.Setting, func(key string) bool {
		claims := jwt.MapClaims{}
		token, err := parser.ParseWithClaims(given, claims, func(*jwt.Token) (any, error) { return []byte(key), nil })
		if token == nil || len(token.Signature) == 0 || jwtForged(err) {
			return false
		}
		if s.Claim != "" {
			digest, _ := claims[s.Claim].(string)
			if !slices.ContainsFunc([]string{"hex", "base64", "base64url"}, func(encoding string) bool { return hmac.Equal(decode(encoding, digest), sum[:]) }) {
				return false
			}
		}
		issued, _ := claims.GetIssuedAt()
		if issued != nil && r.ReceivedAt.Sub(issued.Time) > leeway && claims["exp"] == nil {
			stale = true
		}
		stale = stale || err != nil
		r.Signed, _ = claims["jti"].(string)
		return true
	})
	if err == nil && stale {
		return "", normalizer.ErrStale
	}
	return key, err
}

// jwtForged says whether the error of a token is anything but its age.
func jwtForged(err error) bool {
	if err == nil {
		return false
	}
	for _, age := range []error{jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued} {
		if errors.Is(err, age) {
			return false
		}
	}
	return true
}

// standardSignatures are those of version 1 in the header of Standard Webhooks.
func standardSignatures(header string) []string {
	var out []string
	for field := range strings.FieldsSeq(header) {
		if s, ok := strings.CutPrefix(field, "v1,"); ok && len(out) < maxSignatures {
			out = append(out, s)
		}
	}
	return out
}

func decode(encoding, s string) []byte {
	switch encoding {
	case "hex":
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil
		}
		return b
	case "base64url":
		return normalizer.DecodeExact(base64.RawURLEncoding, strings.TrimRight(s, "="))
	default:
		return normalizer.DecodeExact(base64.StdEncoding, s)
	}
}

func sameText(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && given != ""
}

// CoversBody says whether the signature depends on the body.
func (s *Scheme) CoversBody() bool {
	return expression.Uses(s.Signed, "body") || expression.Uses(s.Signed, "form") || expression.Uses(s.Signed, "sha256")
}
