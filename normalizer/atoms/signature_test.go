package atoms

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

const (
	secret         = "atoms-test-secret"
	atomsBody      = `{"event":"agent1.post-conversation","metadata":{"eventType":"post-conversation","callId":"CALL-1737000000000-abc123"},"id":"delivery1"}`
	atomsSignature = "8d3b946dd6e64f2bfbc3cdeabf7da17c286b6188899486800ec62ccf34694d41"
)

func TestVerifyAtoms(t *testing.T) {
	cases := []struct {
		name, body, signature string
		keys                  []string
		want                  error
	}{
		{"vector", atomsBody, atomsSignature, []string{secret}, nil},
		{"rotation", atomsBody, atomsSignature, []string{"new", secret}, nil},
		{"upper-case digits are the same bytes", atomsBody, strings.ToUpper(atomsSignature), []string{secret}, nil},
		{"prefix", atomsBody, "sha256=" + atomsSignature, []string{secret}, normalizer.ErrSignature},
		{"serialized again", strings.ReplaceAll(atomsBody, ":", ": "), atomsSignature, []string{secret}, normalizer.ErrSignature},
		{"newline added", atomsBody + "\n", atomsSignature, []string{secret}, normalizer.ErrSignature},
		{"cut short", atomsBody, atomsSignature[:62], []string{secret}, normalizer.ErrSignature},
		{"none", atomsBody, "", []string{secret}, normalizer.ErrSignature},
		{"other secret", atomsBody, atomsSignature, []string{"new"}, normalizer.ErrSignature},
		{"empty secret", atomsBody, atomsSignature, []string{""}, normalizer.ErrSignature},
		{"no secret", atomsBody, atomsSignature, nil, normalizer.ErrSignature},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := normalizer.Request{Body: []byte(c.body), Header: header("X-Signature", c.signature)}
			key, err := Provider().Verify(&r, normalizer.Keys{signingSecret: c.keys})
			if !errors.Is(err, c.want) {
				t.Errorf("key %q, error %v, want %v", key, err, c.want)
			}
		})
	}
}

func TestAtomsCorpusSignature(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(providertest.CorpusDir(t), "atoms", "webhook_post_conversation.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := normalizer.Request{Body: body, Header: header("X-Signature", "3e05186e913294f516f0983e0a66654a45950c9c657d5d58de9b466417a69e5c")}
	if _, err := Provider().Verify(&r, normalizer.Keys{signingSecret: {secret}}); err != nil {
		t.Error(err)
	}
}
