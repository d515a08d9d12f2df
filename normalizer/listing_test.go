package normalizer

import (
	"net/url"
	"strings"
	"testing"

	"callwatch/normalizer/lenient"
)

// TestFollow takes the parameters of links that lead to the list itself.
func TestFollow(t *testing.T) {
	this := Ask{Path: "/api/laml/Calls", Query: url.Values{"Page": {"0"}}}
	bases := []string{"https://example.signalwire.com", "http://127.0.0.1:9/prefix"}
	for link, want := range map[string]string{
		"https://example.signalwire.com/api/laml/Calls?Page=1":       "Page=1",
		"https://example.signalwire.com/api/laml/Calls.json?Page=1":  "Page=1",
		"http://127.0.0.1:9/prefix/api/laml/Calls?Page=1&x=%26":      "Page=1&x=%26",
		"/api/laml/Calls?Page=2":                                     "Page=2",
		"/Calls?Page=2":                                              "Page=2",
		"":                                                           "none",
		"https://evil.example/api/laml/Calls?Page=1":                 "error",
		"http://example.signalwire.com/api/laml/Calls?Page=1":        "error",
		"https://example.signalwire.com:444/api/laml/Calls?Page=1":   "error",
		"https://user@example.signalwire.com/api/laml/Calls?Page=1":  "error",
		"https://example.signalwire.com.evil.example/api/laml/Calls": "error",
		"//evil.example/api/laml/Calls?Page=1":                       "error",
		"/api/laml/Accounts?Page=1":                                  "error",
		"/api/laml/Calls/../Accounts?Page=1":                         "error",
		"?Page=1":                                                    "error",
		"Calls?Page=1":                                               "error",
		"mailto:x":                                                   "error",
		"/api/laml/Calls?Page=0":                                     "error", // the same page again
		"/api/laml/Calls?%zz":                                        "error",
		"/api/laml/Calls?Page=" + strings.Repeat("1", 5000):          "error",
	} {
		next, err := this.Follow(lenient.Of(link), bases...)
		got := "none"
		switch {
		case err != nil:
			got = "error"
		case next != nil:
			got = next.Query.Encode()
			if next.Path != this.Path {
				t.Errorf("%q leads to %s", link, next.Path)
			}
		}
		if got != want {
			t.Errorf("%.80q: %s, want %s", link, got, want)
		}
	}
}
