package bird

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

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

const (
	keyA     = "test-signing-key-crm"
	keyB     = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	birdHook = "https://hooks.example.com/webhooks/bird"

	bodyA = `{"service":"channels","event":"voice.outbound","payload":{"id":"382ef429-78ba-416d-899e-657d39d194ea","status":"completed"}}`
	bodyB = `{"type":"voice_call.ended","timestamp":"2026-08-19T18:11:44Z","data":{"call_id":"vcl_01krdgeqcxet5s7t44vh8rt9mg","status":"answered","sip_response_code":200,"duration_ms":65000,"billable_ms":60000}}`

	timeA = 1755100431
	timeB = 1787163104
)

// header makes a header of names and values in turn.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func crmRequest(signature string) normalizer.Request {
	return normalizer.Request{
		URL: birdHook, Body: []byte(bodyA), ReceivedAt: time.Unix(timeA+1, 0),
		Header: header("MessageBird-Signature", signature, "MessageBird-Request-Timestamp", strconv.Itoa(timeA)),
	}
}

func platformRequest(signature string) normalizer.Request {
	return normalizer.Request{
		URL: birdHook, Body: []byte(bodyB), ReceivedAt: time.Unix(timeB+1, 0),
		Header: header("webhook-id", "msg_2abc", "webhook-timestamp", strconv.Itoa(timeB), "webhook-signature", signature),
	}
}

const (
	signatureA = "x32EVGML0gh2EbOtQByISsqAzLtHLaKNg0Kv6KgNXsk="
	signatureB = "v1,4qI5V/UM7RgNjbEX1a7gQJA7NVQHAivCnG1IlcxCG9c="
)

func TestVerifyBirdCRM(t *testing.T) {
	hexDigest := sha256.Sum256([]byte(bodyA))
	ofHex := normalizer.HMACSHA256([]byte(keyA), []byte(strconv.Itoa(timeA)+"\n"+birdHook+"\n"+hex.EncodeToString(hexDigest[:])))
	keys := normalizer.Keys{signingKey: {"another-key", keyA}}
	cases := []struct {
		name   string
		keys   normalizer.Keys
		change func(r *normalizer.Request)
		want   error
	}{
		{"vector", keys, func(*normalizer.Request) {}, nil},
		{"retry of almost a day", keys, func(r *normalizer.Request) { r.ReceivedAt = r.ReceivedAt.Add(24*time.Hour - 2*time.Second) }, nil},
		{"older than a day", keys, func(r *normalizer.Request) { r.ReceivedAt = r.ReceivedAt.Add(24 * time.Hour) }, normalizer.ErrStale},
		{"from the future", keys, func(r *normalizer.Request) { r.ReceivedAt = r.ReceivedAt.Add(-6 * time.Minute) }, normalizer.ErrStale},
		{"digest as hex", keys, func(r *normalizer.Request) {
			r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(ofHex))
		}, normalizer.ErrSignature},
		{"query added", keys, func(r *normalizer.Request) { r.URL += "?a=1" }, normalizer.ErrSignature},
		{"other host", keys, func(r *normalizer.Request) { r.URL = "https://hooks.example.net/webhooks/bird" }, normalizer.ErrSignature},
		{"other body", keys, func(r *normalizer.Request) { r.Body = append(r.Body, '\n') }, normalizer.ErrSignature},
		{"other timestamp", keys, func(r *normalizer.Request) { r.Header.Set("MessageBird-Request-Timestamp", "1755100432") }, normalizer.ErrSignature},
		{"no timestamp", keys, func(r *normalizer.Request) { r.Header.Del("MessageBird-Request-Timestamp") }, normalizer.ErrSignature},
		{"no signature", keys, func(r *normalizer.Request) { r.Header.Del("MessageBird-Signature") }, normalizer.ErrSignature},
		{"no key", normalizer.Keys{}, func(*normalizer.Request) {}, normalizer.ErrSignature},
		{"other key", normalizer.Keys{signingKey: {"another-key"}}, func(*normalizer.Request) {}, normalizer.ErrSignature},
		{"key of the legacy scheme only", normalizer.Keys{legacySigningKey: {keyA}}, func(*normalizer.Request) {}, normalizer.ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := crmRequest(signatureA)
			c.change(&r)
			key, err := Provider().Verify(&r, c.keys)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && key != signingKey+" 2" {
				t.Errorf("key %q", key)
			}
		})
	}
}

// The URL is signed with its query, so that a request is refused where the
// configured public URL lacks it.
func TestVerifyBirdCRMSignsTheQuery(t *testing.T) {
	r := crmRequest("")
	r.URL += "?tenant=7"
	sum := sha256.Sum256(r.Body)
	mac := normalizer.HMACSHA256([]byte(keyA), []byte(strconv.Itoa(timeA)+"\n"+r.URL+"\n"), sum[:])
	r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(mac))
	keys := normalizer.Keys{signingKey: {keyA}}
	if _, err := Provider().Verify(&r, keys); err != nil {
		t.Fatal(err)
	}
	r.URL = birdHook
	if _, err := Provider().Verify(&r, keys); !errors.Is(err, normalizer.ErrSignature) {
		t.Errorf("without the query: %v", err)
	}
}

func TestVerifyBirdPlatform(t *testing.T) {
	keys := normalizer.Keys{signingKey: {keyA, keyB}}
	cases := []struct {
		name   string
		keys   normalizer.Keys
		change func(r *normalizer.Request)
		want   error
	}{
		{"vector", keys, func(*normalizer.Request) {}, nil},
		{"rotation", keys, func(r *normalizer.Request) {
			r.Header.Set("webhook-signature", "v1a,AAAA v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" "+signatureB)
		}, nil},
		{"five minutes late", keys, func(r *normalizer.Request) { r.ReceivedAt = time.Unix(timeB+300, 0) }, nil},
		{"too late", keys, func(r *normalizer.Request) { r.ReceivedAt = time.Unix(timeB+301, 0) }, normalizer.ErrStale},
		{"too early", keys, func(r *normalizer.Request) { r.ReceivedAt = time.Unix(timeB-301, 0) }, normalizer.ErrStale},
		{"other version", keys, func(r *normalizer.Request) { r.Header.Set("webhook-signature", "v2"+signatureB[2:]) }, normalizer.ErrSignature},
		{"other id", keys, func(r *normalizer.Request) { r.Header.Set("webhook-id", "msg_2abd") }, normalizer.ErrSignature},
		{"other body", keys, func(r *normalizer.Request) { r.Body = append(r.Body, ' ') }, normalizer.ErrSignature},
		{"no signature", keys, func(r *normalizer.Request) { r.Header.Del("webhook-signature") }, normalizer.ErrSignature},
		{"key is not base64", normalizer.Keys{signingKey: {"whsec_?"}}, func(*normalizer.Request) {}, normalizer.ErrSignature},
		{"empty secret", normalizer.Keys{signingKey: {"whsec_"}}, func(*normalizer.Request) {}, normalizer.ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := platformRequest(signatureB)
			c.change(&r)
			key, err := Provider().Verify(&r, c.keys)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && key != signingKey+" 2" {
				t.Errorf("key %q", key)
			}
		})
	}
}

// A key belongs to one scheme: a request signed with the text of a platform
// secret by the rules of the CRM is refused.
func TestVerifyBirdKeepsSchemesApart(t *testing.T) {
	r := crmRequest("")
	sum := sha256.Sum256(r.Body)
	mac := normalizer.HMACSHA256([]byte(keyB), []byte(strconv.Itoa(timeA)+"\n"+birdHook+"\n"), sum[:])
	r.Header.Set("MessageBird-Signature", base64.StdEncoding.EncodeToString(mac))
	if _, err := Provider().Verify(&r, normalizer.Keys{signingKey: {keyB}}); !errors.Is(err, normalizer.ErrSignature) {
		t.Errorf("error %v", err)
	}
}

func TestCheckBirdKey(t *testing.T) {
	for key, ok := range map[string]bool{keyA: true, keyB: true, "whsec_": false, "whsec_not base64": false} {
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
	return signed + "." + base64.RawURLEncoding.EncodeToString(normalizer.HmacOf(newHash, []byte(key), []byte(signed)))
}

func legacyClaims(body string) map[string]any {
	claims := map[string]any{"iss": "MessageBird", "jti": "1", "nbf": legacyNow, "exp": legacyNow + 60, "url_hash": hexDigest([]byte(birdHook))}
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
		{"none", legacyToken("none", key, sha256.New, legacyClaims(body)), body, legacyNow, normalizer.ErrSignature},
		{"algorithm of another hash", legacyToken("HS512", key, sha256.New, legacyClaims(body)), body, legacyNow, normalizer.ErrSignature},
		{"other key", legacyToken("HS256", "x", sha256.New, legacyClaims(body)), body, legacyNow, normalizer.ErrSignature},
		{"other body", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body + " ", legacyNow, normalizer.ErrSignature},
		{"body added", legacyToken("HS256", key, sha256.New, legacyClaims("")), body, legacyNow, normalizer.ErrSignature},
		{"body removed", legacyToken("HS256", key, sha256.New, legacyClaims(body)), "", legacyNow, normalizer.ErrSignature},
		{"other url", legacyToken("HS256", key, sha256.New, with("url_hash", hexDigest([]byte(birdHook+"?")))), body, legacyNow, normalizer.ErrSignature},
		{"other issuer", legacyToken("HS256", key, sha256.New, with("iss", "X")), body, legacyNow, normalizer.ErrSignature},
		{"no id", legacyToken("HS256", key, sha256.New, with("jti", nil)), body, legacyNow, normalizer.ErrSignature},
		{"no expiry", legacyToken("HS256", key, sha256.New, with("exp", nil)), body, legacyNow, normalizer.ErrSignature},
		{"expired", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body, legacyNow + 62, normalizer.ErrStale},
		{"not yet valid", legacyToken("HS256", key, sha256.New, legacyClaims(body)), body, legacyNow - 2, normalizer.ErrStale},
		{"no token", "", body, legacyNow, normalizer.ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := normalizer.Request{URL: birdHook, Body: []byte(c.body), ReceivedAt: time.Unix(c.at, 0), Header: header("MessageBird-Signature-JWT", c.token)}
			if _, err := Provider().Verify(&r, normalizer.Keys{legacySigningKey: {key}}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// TestBirdCorpusSignatures checks the vectors over files of the corpus.
func TestBirdCorpusSignatures(t *testing.T) {
	dir := filepath.Join(providertest.CorpusDir(t), "bird")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	keys := normalizer.Keys{signingKey: {keyA, keyB}}

	crm := crmRequest("wQ7xnlnkcMxGbpI3BIaUw0y+qqKtycP9NgxhkNN5a+0=")
	crm.Body = read("webhook_envelope_whatsapp_inbound.json")
	if _, err := Provider().Verify(&crm, keys); err != nil {
		t.Errorf("A2: %v", err)
	}
	platform := platformRequest("v1,RCKIW8sQAVgzNCwALMIf8NzLLa4a89zwMZAbyDNi4l4=")
	platform.Body = read("platform2026_webhook_email_delivered.json")
	if _, err := Provider().Verify(&platform, keys); err != nil {
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
		r := normalizer.Request{URL: v.URL, Body: []byte(v.Payload), ReceivedAt: v.Timestamp, Header: header("MessageBird-Signature-JWT", v.Token)}
		_, err := Provider().Verify(&r, normalizer.Keys{legacySigningKey: {v.Secret}})
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
