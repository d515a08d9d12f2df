package normalizer

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	birdKeyA = "test-signing-key-crm"
	birdKeyB = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	birdURL  = "https://hooks.example.com/webhooks/bird"

	birdBodyA = `{"service":"channels","event":"voice.outbound","payload":{"id":"382ef429-78ba-416d-899e-657d39d194ea","status":"completed"}}`
	birdBodyB = `{"type":"voice_call.ended","timestamp":"2026-08-19T18:11:44Z","data":{"call_id":"vcl_01krdgeqcxet5s7t44vh8rt9mg","status":"answered","sip_response_code":200,"duration_ms":65000,"billable_ms":60000}}`

	birdTimeA = 1755100431
	birdTimeB = 1787163104
)

// header makes a header of names and values in turn.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func birdCRMRequest(signature string) Request {
	return Request{
		URL: birdURL, Body: []byte(birdBodyA), ReceivedAt: time.Unix(birdTimeA+1, 0),
		Header: header("MessageBird-Signature", signature, "MessageBird-Request-Timestamp", strconv.Itoa(birdTimeA)),
	}
}

func birdPlatformRequest(signature string) Request {
	return Request{
		URL: birdURL, Body: []byte(birdBodyB), ReceivedAt: time.Unix(birdTimeB+1, 0),
		Header: header("webhook-id", "msg_2abc", "webhook-timestamp", strconv.Itoa(birdTimeB), "webhook-signature", signature),
	}
}

const (
	birdSignatureA = "x32EVGML0gh2EbOtQByISsqAzLtHLaKNg0Kv6KgNXsk="
	birdSignatureB = "v1,4qI5V/UM7RgNjbEX1a7gQJA7NVQHAivCnG1IlcxCG9c="
)

func TestVerifyBirdCRM(t *testing.T) {
	hexDigest := sha256.Sum256([]byte(birdBodyA))
	ofHex := hmacSHA256([]byte(birdKeyA), []byte(strconv.Itoa(birdTimeA)+"\n"+birdURL+"\n"+hex.EncodeToString(hexDigest[:])))
	keys := Keys{birdSigningKey: {"another-key", birdKeyA}}
	cases := []struct {
		name   string
		keys   Keys
		change func(r *Request)
		want   error
	}{
		{"vector", keys, func(*Request) {}, nil},
		{"retry of almost a day", keys, func(r *Request) { r.ReceivedAt = r.ReceivedAt.Add(24*time.Hour - 2*time.Second) }, nil},
		{"older than a day", keys, func(r *Request) { r.ReceivedAt = r.ReceivedAt.Add(24 * time.Hour) }, ErrStale},
		{"from the future", keys, func(r *Request) { r.ReceivedAt = r.ReceivedAt.Add(-6 * time.Minute) }, ErrStale},
		{"digest as hex", keys, func(r *Request) {
			r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(ofHex))
		}, ErrSignature},
		{"query added", keys, func(r *Request) { r.URL += "?a=1" }, ErrSignature},
		{"other host", keys, func(r *Request) { r.URL = "https://hooks.example.net/webhooks/bird" }, ErrSignature},
		{"other body", keys, func(r *Request) { r.Body = append(r.Body, '\n') }, ErrSignature},
		{"other timestamp", keys, func(r *Request) { r.Header.Set("MessageBird-Request-Timestamp", "1755100432") }, ErrSignature},
		{"no timestamp", keys, func(r *Request) { r.Header.Del("MessageBird-Request-Timestamp") }, ErrSignature},
		{"no signature", keys, func(r *Request) { r.Header.Del("MessageBird-Signature") }, ErrSignature},
		{"no key", Keys{}, func(*Request) {}, ErrSignature},
		{"other key", Keys{birdSigningKey: {"another-key"}}, func(*Request) {}, ErrSignature},
		{"key of the legacy scheme only", Keys{birdLegacySigningKey: {birdKeyA}}, func(*Request) {}, ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := birdCRMRequest(birdSignatureA)
			c.change(&r)
			key, err := bird().Verify(&r, c.keys)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && key != birdSigningKey+" 2" {
				t.Errorf("key %q", key)
			}
		})
	}
}

// The URL is signed with its query, so that a request is refused where the
// configured public URL lacks it.
func TestVerifyBirdCRMSignsTheQuery(t *testing.T) {
	r := birdCRMRequest("")
	r.URL += "?tenant=7"
	sum := sha256.Sum256(r.Body)
	mac := hmacSHA256([]byte(birdKeyA), []byte(strconv.Itoa(birdTimeA)+"\n"+r.URL+"\n"), sum[:])
	r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(mac))
	keys := Keys{birdSigningKey: {birdKeyA}}
	if _, err := bird().Verify(&r, keys); err != nil {
		t.Fatal(err)
	}
	r.URL = birdURL
	if _, err := bird().Verify(&r, keys); !errors.Is(err, ErrSignature) {
		t.Errorf("without the query: %v", err)
	}
}

func TestVerifyBirdPlatform(t *testing.T) {
	keys := Keys{birdSigningKey: {birdKeyA, birdKeyB}}
	cases := []struct {
		name   string
		keys   Keys
		change func(r *Request)
		want   error
	}{
		{"vector", keys, func(*Request) {}, nil},
		{"rotation", keys, func(r *Request) {
			r.Header.Set("webhook-signature", "v1a,AAAA v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" "+birdSignatureB)
		}, nil},
		{"five minutes late", keys, func(r *Request) { r.ReceivedAt = time.Unix(birdTimeB+300, 0) }, nil},
		{"too late", keys, func(r *Request) { r.ReceivedAt = time.Unix(birdTimeB+301, 0) }, ErrStale},
		{"too early", keys, func(r *Request) { r.ReceivedAt = time.Unix(birdTimeB-301, 0) }, ErrStale},
		{"other version", keys, func(r *Request) { r.Header.Set("webhook-signature", "v2"+birdSignatureB[2:]) }, ErrSignature},
		{"other id", keys, func(r *Request) { r.Header.Set("webhook-id", "msg_2abd") }, ErrSignature},
		{"other body", keys, func(r *Request) { r.Body = append(r.Body, ' ') }, ErrSignature},
		{"no signature", keys, func(r *Request) { r.Header.Del("webhook-signature") }, ErrSignature},
		{"key is not base64", Keys{birdSigningKey: {"whsec_?"}}, func(*Request) {}, ErrSignature},
		{"empty secret", Keys{birdSigningKey: {"whsec_"}}, func(*Request) {}, ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := birdPlatformRequest(birdSignatureB)
			c.change(&r)
			key, err := bird().Verify(&r, c.keys)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && key != birdSigningKey+" 2" {
				t.Errorf("key %q", key)
			}
		})
	}
}

// A key belongs to one scheme: a request signed with the text of a platform
// secret by the rules of the CRM is refused.
func TestVerifyBirdKeepsSchemesApart(t *testing.T) {
	r := birdCRMRequest("")
	sum := sha256.Sum256(r.Body)
	mac := hmacSHA256([]byte(birdKeyB), []byte(strconv.Itoa(birdTimeA)+"\n"+birdURL+"\n"), sum[:])
	r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(mac))
	if _, err := bird().Verify(&r, Keys{birdSigningKey: {birdKeyB}}); !errors.Is(err, ErrSignature) {
		t.Errorf("error %v", err)
	}
}

func TestCheckBirdKey(t *testing.T) {
	for key, ok := range map[string]bool{birdKeyA: true, birdKeyB: true, "whsec_": false, "whsec_not base64": false} {
		if err := checkBirdKey(key); (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

const legacyNow = 1700000000

// legacyToken signs claims as the legacy API does.
func legacyToken(alg, key string, newHash func() hash.Hash, claims map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": alg, "typ": "JWT"}) + "." + part(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(hmacOf(newHash, []byte(key), []byte(signed)))
}

func legacyClaims(body string) map[string]any {
	claims := map[string]any{"iss": "MessageBird", "jti": "1", "nbf": legacyNow, "exp": legacyNow + 60, "url_hash": hexDigest([]byte(birdURL))}
	if body != "" {
		claims["payload_hash"] = hexDigest([]byte(body))
	}
	return claims
}

func TestVerifyBirdLegacy(t *testing.T) {
	const key, body = "legacy-key", `{"id":"1"}`
	with := func(name string, value any) map[string]any {
		claims := legacyClaims(body)
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
		return claims
	}
	cases := []struct {
		name  string
		token string
		body  string
		at    int64
		want  error
	}{
		{"HS256", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body, legacyNow, nil},
		{"HS384", legacyToken("HS384", key, sha512.New384, legacyClaims(body)), body, legacyNow + 61, nil},
		{"HS512", legacyToken("HS512", key, sha512.New, legacyClaims(body)), body, legacyNow - 1, nil},
		{"empty body", legacyToken("HS256", key, sha256.New, legacyClaims("")), "", legacyNow, nil},
		{"none", legacyToken("none", key, sha256.New, legacyClaims(body)), body, legacyNow, ErrSignature},
		{"algorithm of another hash", legacyToken("HS512", key, sha256.New, legacyClaims(body)), body, legacyNow, ErrSignature},
		{"other key", legacyToken("HS256", "x", sha256.New, legacyClaims(body)), body, legacyNow, ErrSignature},
		{"other body", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body + " ", legacyNow, ErrSignature},
		{"body added", legacyToken("HS256", key, sha256.New, legacyClaims("")), body, legacyNow, ErrSignature},
		{"body removed", legacyToken("HS256", key, sha256.New, legacyClaims(body)), "", legacyNow, ErrSignature},
		{"other url", legacyToken("HS256", key, sha256.New, with("url_hash", hexDigest([]byte(birdURL+"?")))), body, legacyNow, ErrSignature},
		{"other issuer", legacyToken("HS256", key, sha256.New, with("iss", "X")), body, legacyNow, ErrSignature},
		{"no id", legacyToken("HS256", key, sha256.New, with("jti", nil)), body, legacyNow, ErrSignature},
		{"no expiry", legacyToken("HS256", key, sha256.New, with("exp", nil)), body, legacyNow, ErrSignature},
		{"expired", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body, legacyNow + 62, ErrStale},
		{"not yet valid", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body, legacyNow - 2, ErrStale},
		{"no token", "", body, legacyNow, ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := Request{URL: birdURL, Body: []byte(c.body), ReceivedAt: time.Unix(c.at, 0), Header: header("MessageBird-Signature-JWT", c.token)}
			if _, err := bird().Verify(&r, Keys{birdLegacySigningKey: {key}}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// TestBirdCorpusSignatures checks the vectors over files of the corpus.
func TestBirdCorpusSignatures(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "bird")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	keys := Keys{birdSigningKey: {birdKeyA, birdKeyB}}

	crm := birdCRMRequest("wQ7xnlnkcMxGbpI3BIaUw0y+qqKtycP9NgxhkNN5a+0=")
	crm.Body = read("webhook_envelope_whatsapp_inbound.json")
	if _, err := bird().Verify(&crm, keys); err != nil {
		t.Errorf("A2: %v", err)
	}
	platform := birdPlatformRequest("v1,RCKIW8sQAVgzNCwALMIf8NzLLa4a89zwMZAbyDNi4l4=")
	platform.Body = read("platform2026_webhook_email_delivered.json")
	if _, err := bird().Verify(&platform, keys); err != nil {
		t.Errorf("B2: %v", err)
	}

	var vectors []struct {
		Name, Secret, URL, Payload, Token string
		Timestamp                         time.Time
		Valid                             bool
	}
	if err := json.Unmarshal(read("legacy_signature_jwt_reference_vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, v := range vectors {
		r := Request{URL: v.URL, Body: []byte(v.Payload), ReceivedAt: v.Timestamp, Header: header("MessageBird-Signature-JWT", v.Token)}
		_, err := bird().Verify(&r, Keys{birdLegacySigningKey: {v.Secret}})
		if (err == nil) != v.Valid {
			t.Errorf("%s: %v, want valid %v", v.Name, err, v.Valid)
		}
		if err == nil {
			valid++
		}
	}
	if got := fmt.Sprint(len(vectors), valid); got != "43 23" {
		t.Errorf("vectors and valid ones: %s", got)
	}
}
