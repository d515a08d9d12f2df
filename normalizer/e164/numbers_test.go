package e164

import "testing"

func TestE164(t *testing.T) {
	cases := []struct{ in, number, country string }{
		{"+442071838750", "+442071838750", "GB"},
		{"442071838750", "+442071838750", "GB"},
		{"+44 (20) 7183-8750", "+442071838750", "GB"},
		{"sip:+442071838750@sbc.example.net;transport=tls", "+442071838750", "GB"},
		{"+910000000001", "+910000000001", "IN"}, // in no plan: its zeros stay
		{"sip:alice@example.net", "sip:alice@example.net", ""},
		{"anonymous", "anonymous", ""},
		{"1234", "1234", ""},
		{"", "", ""},
	}
	for _, c := range cases {
		if number, country := Normalize(c.in, ""); number != c.number || country != c.country {
			t.Errorf("%q: %q %q, want %q %q", c.in, number, country, c.number, c.country)
		}
	}
}
