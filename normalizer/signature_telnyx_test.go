package normalizer

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const (
	telnyxTestKey  = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
	telnyxTestTime = "1763868630"
	telnyxTestBody = `{"data":{"event_type":"call.hangup","id":"evt-1","payload":{"call_leg_id":"leg-1"}}}`
	telnyxTestSign = "2HYLW+AUYJJzOEgpvOnYiJxPTQAzf1S59fiVV1z259N3Y5Jx/tSxw40GNVpuShvo+69f7jr94aaiTq+yEuL4AQ=="
)

func telnyxRequest(body, signature string) Request {
	return Request{
		URL:         "https://calls.example.net/webhooks/telnyx",
		Header:      http.Header{telnyxSignature: {signature}, telnyxTimestamp: {telnyxTestTime}},
		Body:        []byte(body),
		ReceivedAt:  time.Unix(1763868630, 0).Add(2 * time.Second),
		ContentType: "application/json",
	}
}

func telnyxKeys() Keys { return Keys{telnyxPublicKey: {telnyxTestKey}} }

func TestTelnyxSignature(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	other := base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	tests := map[string]struct {
		change func(r *Request, k Keys)
		key    string
		want   error
	}{
		"right":                     {func(*Request, Keys) {}, "PUBLIC_KEY 1", nil},
		"second key":                {func(_ *Request, k Keys) { k[telnyxPublicKey] = []string{other, telnyxTestKey} }, "PUBLIC_KEY 2", nil},
		"4 minutes old":             {func(r *Request, _ Keys) { r.ReceivedAt = r.ReceivedAt.Add(4 * time.Minute) }, "PUBLIC_KEY 1", nil},
		"6 minutes old":             {func(r *Request, _ Keys) { r.ReceivedAt = r.ReceivedAt.Add(6 * time.Minute) }, "", ErrStale},
		"6 minutes ahead":           {func(r *Request, _ Keys) { r.ReceivedAt = r.ReceivedAt.Add(-6 * time.Minute) }, "", ErrStale},
		"one body byte":             {func(r *Request, _ Keys) { r.Body[10] ^= 1 }, "", ErrSignature},
		"one second":                {func(r *Request, _ Keys) { r.Header.Set(telnyxTimestamp, "1763868631") }, "", ErrSignature},
		"timestamp with a sign":     {func(r *Request, _ Keys) { r.Header.Set(telnyxTimestamp, "+1763868630") }, "", ErrSignature},
		"timestamp is no number":    {func(r *Request, _ Keys) { r.Header.Set(telnyxTimestamp, "now") }, "", ErrSignature},
		"no timestamp":              {func(r *Request, _ Keys) { r.Header.Del(telnyxTimestamp) }, "", ErrSignature},
		"no signature":              {func(r *Request, _ Keys) { r.Header.Del(telnyxSignature) }, "", ErrSignature},
		"signature too short":       {func(r *Request, _ Keys) { r.Header.Set(telnyxSignature, telnyxTestSign[:84]) }, "", ErrSignature},
		"signature not base64":      {func(r *Request, _ Keys) { r.Header.Set(telnyxSignature, "?") }, "", ErrSignature},
		"another key":               {func(_ *Request, k Keys) { k[telnyxPublicKey] = []string{other} }, "", ErrSignature},
		"key of the wrong length":   {func(_ *Request, k Keys) { k[telnyxPublicKey] = []string{"AAAA"} }, "", ErrSignature},
		"no key":                    {func(_ *Request, k Keys) { delete(k, telnyxPublicKey) }, "", ErrSignature},
		"empty key in the rotation": {func(_ *Request, k Keys) { k[telnyxPublicKey] = []string{""} }, "", ErrSignature},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, k := telnyxRequest(telnyxTestBody, telnyxTestSign), telnyxKeys()
			test.change(&r, k)
			key, err := verifyTelnyx(&r, k)
			if !errors.Is(err, test.want) || key != test.key {
				t.Errorf("key %q, error %v; want %q, %v", key, err, test.key, test.want)
			}
		})
	}
}

func TestTelnyxSignatureCorpus(t *testing.T) {
	dir := filepath.Join(corpusDir(t), "telnyx")
	for file, signature := range map[string]string{
		"31_webhook_call_hangup_captured_zero_inbound_mos450.json": "37s/Y3qLY8VxRJHLLXUR25r/CeCHrQFyWfreKVk0HyXuEkR9Gc2dG5ek98oDRqS/8MlE0NVcBCWwPf65XZyXBw==",
		"47_texml_call_completed_docs.form.txt":                    "Ld/CE6mWQ+by7rgptYCHexQ2896bPxMCrs3xrVqxjz/kQ/G0O50K003wG6U6RHInTq1+Rfc2a91g4wIafxZ9DQ==",
	} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		r := telnyxRequest(string(body), signature)
		if _, err := verifyTelnyx(&r, telnyxKeys()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTelnyxPublicKeyCheck(t *testing.T) {
	for value, ok := range map[string]bool{telnyxTestKey: true, "AAAA": false, "not base64!": false, "": false} {
		if err := checkEd25519Key(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func FuzzVerifyTelnyx(f *testing.F) {
	fuzzVerify(f, "telnyx", telnyxKeys(), []string{telnyxSignature, telnyxTimestamp}, []sealed{{
		request: telnyxRequest(telnyxTestBody, telnyxTestSign),
		signs: func(r *Request) string {
			return r.Header.Get(telnyxSignature) + " " + r.Header.Get(telnyxTimestamp) + " " + string(r.Body)
		},
	}})
}

func FuzzNormalizeTelnyx(f *testing.F) { fuzzNormalize(f, "telnyx") }
