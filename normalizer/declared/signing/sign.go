package signing

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"callwatch/normalizer"
	"callwatch/normalizer/declared/expression"
	"callwatch/normalizer/simulate"
)

// Generate makes a secret of the form that the scheme takes.
func (s *Scheme) Generate(draw func(n int) []byte, receive normalizer.Keys) {
	if len(receive[s.Setting]) > 0 || s.Kind == Ed25519 {
		return
	}
	secret := draw(24)
	text := hex.EncodeToString(secret)
	if s.Key == "base64" {
		text = s.KeyPrefix + base64.StdEncoding.EncodeToString(secret)
	}
	receive[s.Setting] = []string{text}
	if s.User != "" && len(receive[s.User]) == 0 {
		receive[s.User] = []string{hex.EncodeToString(draw(6))}
	}
}

// Signer signs as the provider does; nil where only a token can prove who sends.
func (s *Scheme) Signer() *simulate.Scheme {
	out := &simulate.Scheme{Setting: s.Setting}
	switch s.Kind {
	case Token:
		out.Sign = func(key string, d *simulate.Draft) error {
			d.Header.Set(s.Header, s.Prefix+key)
			return nil
		}
	case Basic:
		out.Sign = func(key string, d *simulate.Draft) error {
			user := cmp.Or(d.Keys.First(s.User), "callwatch")
			d.Header.Set(s.Header, "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+key)))
			return nil
		}
	case JWT:
		out.Sign = s.signJWT
	case HMAC, Standard:
		out.Sign = s.sign
	default:
		return nil
	}
	return out
}

func (s *Scheme) signJWT(key string, d *simulate.Draft) error {
	sum := normalizer.BodyDigest(d.Body)
	claims := jwt.MapClaims{
		"iat": d.Now.Unix(), "nbf": d.Now.Unix(), "exp": d.Now.Add(5 * time.Minute).Unix(),
		"jti": hex.EncodeToString(sum[:8]), s.Claim: base64.StdEncoding.EncodeToString(sum[:]),
	}
	token, err := jwt.NewWithClaims(jwt.GetSigningMethod(s.Algorithm), claims).SignedString([]byte(key))
	d.Header.Set(s.Header, s.Prefix+token)
	return err
}

func (s *Scheme) sign(key string, d *simulate.Draft) error {
	stamp := strconv.FormatInt(d.Now.Unix(), 10)
	if s.Unit == time.Millisecond {
		stamp = strconv.FormatInt(d.Now.UnixMilli(), 10)
	}
	digest := normalizer.BodyDigest(d.Body)
	values := map[string]string{"timestamp": stamp, "id": "msg_" + hex.EncodeToString(digest[:12]), "nonce": hex.EncodeToString(digest[12:22])}
	text, err := s.covered(&normalizer.Request{URL: d.URL, Body: d.Body, Header: d.Header}, values)
	if err != nil {
		return err
	}
	secret := []byte(strings.TrimPrefix(key, s.KeyPrefix))
	if s.Key == "base64" || s.Key == "hex" {
		secret = decode(s.Key, string(secret))
	}
	sum := normalizer.HmacOf(Digests()[s.Algorithm], secret, text[0])
	values["signature"] = encoded(s.Encoding, sum)
	switch {
	case s.Kind == Standard:
		d.Header.Set("webhook-id", values["id"])
		d.Header.Set("webhook-timestamp", stamp)
		d.Header.Set(s.Header, "v1,"+values["signature"])
	case len(s.Format) > 0:
		given, _ := expression.Expand(s.Format, func(name string) string { return values[name] })
		d.Header.Set(s.Header, s.Prefix+given)
	default:
		d.Header.Set(s.Header, s.Prefix+values["signature"])
		if s.Stamp != "" {
			d.Header.Set(s.Stamp, stamp)
		}
	}
	return nil
}

func encoded(encoding string, b []byte) string {
	switch encoding {
	case "hex":
		return hex.EncodeToString(b)
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}
