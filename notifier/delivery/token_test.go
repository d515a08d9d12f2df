package delivery

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// TestSecretsInURLsAreRedacted: an address is named in errors in other spellings
// than it is configured in.
func TestSecretsInURLsAreRedacted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://hooks.slack.com/services/T0/B0/s3cret", "https://user:s3cret@h.example/x", "https://h.example/x?token=s3cret&a=b",
		"https://h.example/s3cret%20x/", "https://h.example:8443/a#s3cret", "HTTPS://H.example/s3cret",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, spelled := range []string{address, u.String(), u.Redacted(), strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host) + u.RequestURI(), address + "/api/v2/alerts"} {
			for _, text := range []string{`Post "` + spelled + `": connection refused`, "no answer from " + spelled + ".", "(" + spelled + ")"} {
				got := Token(address).Redact(errors.New(text)).Error()
				if strings.Contains(got, "s3cret") {
					t.Errorf("%s: %s", address, got)
				}
				if !strings.Contains(text, "s3cret") {
					continue
				}
				if strings.HasPrefix(text, "Post") && !strings.Contains(got, "connection refused") {
					t.Errorf("%s: the cause is lost: %s", address, got)
				}
			}
		}
	}
	if got := Token("https://h.example/x").Redact(errors.New("see https://docs.example")).Error(); got != "see https://docs.example" {
		t.Error(got)
	}
}
