package e164

import "testing"

func TestSpelling(t *testing.T) {
	for _, given := range []string{"+4915112345678", "0049 151 12345678", "tel:+49-151-12345678", "sip:+4915112345678@host", "+49 (0) 151 / 1234 5678"} {
		s, err := ParseSpelling(given)
		if err != nil || s.Number != "+4915112345678" {
			t.Errorf("%s: %q, %v", given, s.Number, err)
			continue
		}
		for _, text := range []string{
			"+4915112345678", "4915112345678", "004915112345678", "015112345678", "(0151) 1234-5678", "+49 151 1234 5678", `"to":"+4915112345678"`,
			"To=%2B4915112345678&x=1", "sip:4915112345678@host", `\u002b4915112345678`, "call +49 (0)151 12345678 now",
		} {
			if !s.In([]byte(text)) {
				t.Errorf("%s is not found in %s", given, text)
			}
			if got := s.Replace("<"+text+">", "X"); s.In([]byte(got)) || got[0] != '<' || got[len(got)-1] != '>' {
				t.Errorf("replaced in %s: %s", text, got)
			}
		}
		for _, text := range []string{"+49151123456789", "+4915112345679", "94915112345678", "12345678", ""} {
			if s.In([]byte(text)) {
				t.Errorf("%s is found in %s", given, text)
			}
			if got := s.Replace(text, "X"); got != text {
				t.Errorf("replaced in %s: %s", text, got)
			}
		}
	}
	for _, bad := range []string{"", "0151 1234567", "+", "+49", "alice", "+49151x"} {
		if s, err := ParseSpelling(bad); err == nil {
			t.Errorf("%q is %s", bad, s.Number)
		}
	}
	if s, ok := SpellingOf("sip:alice@example.com"); !ok || !s.In([]byte(`"from":"SIP:alice@example.com"`)) || s.In([]byte("sip:alicia@example.com")) {
		t.Error("an address is not found as it is written")
	}
	if _, ok := SpellingOf("bob"); ok {
		t.Error("three letters are an address")
	}
}
