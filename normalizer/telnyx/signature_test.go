package telnyx

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

const (
	testKey  = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
	testTime = "1763868630"
	testBody = `{"data":{"event_type":"call.hangup","id":"evt-1","payload":{"call_leg_id":"leg-1"}}}`
	testSign = "2HYLW+AUYJJzOEgpvOnYiJxPTQAzf1S59fiVV1z259N3Y5Jx/tSxw40GNVpuShvo+69f7jr94aaiTq+yEuL4AQ=="
)

func request(body, signature string) normalizer.Request {
	return normalizer.Request{
		URL:         "https://calls.example.net/webhooks/telnyx",
		Header:      http.Header{telnyxSignature: {signature}, timestamp: {testTime}},
		Body:        []byte(body),
		ReceivedAt:  time.Unix(1763868630, 0).Add(2 * time.Second),
		ContentType: "application/json",
	}
}

func keys() normalizer.Keys { return normalizer.Keys{publicKey: {testKey}} }

func TestTelnyxSignature(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	other := base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	tests := map[string]struct {
		change func(r *normalizer.Request, k normalizer.Keys)
		key    string
		want   error
	}{
		"right":                     {func(*normalizer.Request, normalizer.Keys) {}, "PUBLIC_KEY 1", nil},
		"second key":                {func(_ *normalizer.Request, k normalizer.Keys) { k[publicKey] = []string{other, testKey} }, "PUBLIC_KEY 2", nil},
		"4 minutes old":             {func(r *normalizer.Request, _ normalizer.Keys) { r.ReceivedAt = r.ReceivedAt.Add(4 * time.Minute) }, "PUBLIC_KEY 1", nil},
		"6 minutes old":             {func(r *normalizer.Request, _ normalizer.Keys) { r.ReceivedAt = r.ReceivedAt.Add(6 * time.Minute) }, "", normalizer.ErrStale},
		"6 minutes ahead":           {func(r *normalizer.Request, _ normalizer.Keys) { r.ReceivedAt = r.ReceivedAt.Add(-6 * time.Minute) }, "", normalizer.ErrStale},
		"one body byte":             {func(r *normalizer.Request, _ normalizer.Keys) { r.Body[10] ^= 1 }, "", normalizer.ErrSignature},
		"one second":                {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Set(timestamp, "1763868631") }, "", normalizer.ErrSignature},
		"timestamp with a sign":     {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Set(timestamp, "+1763868630") }, "", normalizer.ErrSignature},
		"timestamp is no number":    {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Set(timestamp, "now") }, "", normalizer.ErrSignature},
		"no timestamp":              {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Del(timestamp) }, "", normalizer.ErrSignature},
		"no signature":              {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Del(telnyxSignature) }, "", normalizer.ErrSignature},
		"signature too short":       {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Set(telnyxSignature, testSign[:84]) }, "", normalizer.ErrSignature},
		"signature not base64":      {func(r *normalizer.Request, _ normalizer.Keys) { r.Header.Set(telnyxSignature, "?") }, "", normalizer.ErrSignature},
		"another key":               {func(_ *normalizer.Request, k normalizer.Keys) { k[publicKey] = []string{other} }, "", normalizer.ErrSignature},
		"key of the wrong length":   {func(_ *normalizer.Request, k normalizer.Keys) { k[publicKey] = []string{"AAAA"} }, "", normalizer.ErrSignature},
		"no key":                    {func(_ *normalizer.Request, k normalizer.Keys) { delete(k, publicKey) }, "", normalizer.ErrSignature},
		"empty key in the rotation": {func(_ *normalizer.Request, k normalizer.Keys) { k[publicKey] = []string{""} }, "", normalizer.ErrSignature},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, k := request(testBody, testSign), keys()
			test.change(&r, k)
			key, err := verifyTelnyx(&r, k)
			if !errors.Is(err, test.want) || key != test.key {
				t.Errorf("key %q, error %v; want %q, %v", key, err, test.key, test.want)
			}
		})
	}
}

func TestTelnyxSignatureCorpus(t *testing.T) {
	dir := filepath.Join(providertest.CorpusDir(t), "telnyx")
	for file, signature := range map[string]string{
		"31_webhook_call_hangup_captured_zero_inbound_mos450.json": "37s/Y3qLY8VxRJHLLXUR25r/CeCHrQFyWfreKVk0HyXuEkR9Gc2dG5ek98oDRqS/8MlE0NVcBCWwPf65XZyXBw==",
		"47_texml_call_completed_docs.form.txt":                    "Ld/CE6mWQ+by7rgptYCHexQ2896bPxMCrs3xrVqxjz/kQ/G0O50K003wG6U6RHInTq1+Rfc2a91g4wIafxZ9DQ==",
	} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		r := request(string(body), signature)
		if _, err := verifyTelnyx(&r, keys()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTelnyxPublicKeyCheck(t *testing.T) {
	for value, ok := range map[string]bool{testKey: true, "AAAA": false, "not base64!": false, "": false} {
		if err := checkEd25519Key(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func FuzzVerifyTelnyx(f *testing.F) {
	providertest.FuzzVerify(f, Provider(), keys(), []string{telnyxSignature, timestamp}, []providertest.Sealed{{
		Request: request(testBody, testSign),
		Signs: func(r *normalizer.Request) string {
			return r.Header.Get(telnyxSignature) + " " + r.Header.Get(timestamp) + " " + string(r.Body)
		},
	}})
}

func FuzzNormalizeTelnyx(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }
