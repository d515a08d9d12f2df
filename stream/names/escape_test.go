package names

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEscapes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		if got, ok := Untoken(Token(s)); got != s || !ok {
			t.Fatalf("token %q came back as %q", s, got)
		}
		if strings.ContainsAny(Token(s), ". *>\r\n\t\x00") || Token(s) == "" {
			t.Fatalf("token %q", Token(s))
		}
		h := EscapeHeader(s)
		if got := UnescapeHeader(h); got != s {
			t.Fatalf("header %q came back as %q", s, got)
		}
		for i := range len(h) {
			if h[i] <= ' ' || h[i] > '~' || h[i] == '"' {
				t.Fatalf("header %q", h)
			}
		}
	})
}
