package mask

import (
	"strings"
	"testing"
)

// cases are a text, and the text as masked; "=" says that it stays. The call's
// numbers are +49 151 12345678 and +1 415 555 2671.
var cases = []struct{ text, want string }{
	// international
	{"+4915112345678", "+49•••••••78"},
	{"caller +49 151 1234 5678 hung up", "caller +49•••••••78 hung up"},
	{"+49-151-12345678, +44 20 7946 0958.", "+49•••••••78, +44•••••••58."},
	{"+49 (0)151 12345678", "+49•••••••78"},
	{"+49 (151) 1234-5678 after 20 s", "+49•••••••78 after 20 s"},
	{"+1 (415) 555-2671", "+1•••••••71"},
	{"+1.415.555.2671", "+1•••••••71"},
	{"(+1) 415 555 2671", "+1•••••••71"},
	{"+4915112345678 20 times", "+49•••••••78 20 times"},
	{"＋４９１５１１２３４５６７８", "+49•••••••78"},
	{"+49\u00a0151\u200912\u2013345678", "+49•••••••78"},
	{"+49\u200b151\u200d12345678", "+49•••••••78"},
	{"+4915112345678+14155552671", "+49•••••••78+1•••••••71"},
	{"x+4915112345678y", "x+49•••••••78y"},
	{"+9991234567890", "•••••••90"},
	// with a prefix
	{"004915112345678", "+49•••••••78"},
	{"0049 151 1234 5678", "+49•••••••78"},
	{"dial 011 49 151 12345678 now", "dial +49•••••••78 now"},
	{"00442079460958", "+44•••••••58"},
	// national
	{"0151 12345678", "•••••••78"},
	{"(0151) 12345678", "•••••••78"},
	{"(0151) 98765432 called", "•••••••32 called"},
	{"0151/98765432", "•••••••32"},
	{"015198765432", "•••••••32"},
	{"020 7946 0958", "•••••••58"},
	{"(415) 555-9999", "•••••••99"},
	{"415-555-9999", "•••••••99"},
	{"415.555.9999", "•••••••99"},
	{"4155552671", "•••••••71"},
	{"14155552671", "•••••••71"},
	{"15112345678", "•••••••78"},
	{"5 calls from 0151 98765432, 3 lost", "5 calls from •••••••32, 3 lost"},
	// addresses
	{"sip:+4915112345678@h", "sip:+49•••••••78@h"},
	{"sip:015198765432@pbx.example;transport=udp", "sip:•••••••32@pbx.example;transport=udp"},
	{"<sips:4915198765432@h>", "<sips:•••••••32@h>"},
	{"tel:+49-151-98765432", "tel:+49•••••••32"},
	{"tel:987654321", "tel:•••••••21"},
	{"to=%2B4915198765432&x=1", "to=%2B•••••••32&x=1"},
	{"sip:1001@pbx", "="},
	// figures, dates and ids
	{"mos 3.42, 12345678 bytes, 1773454440.000200", "="},
	{"2026-03-14 02:14:00 +0100", "="},
	{"2026-03-14T02:14:00.123456789Z", "="},
	{"14.03.2026 02:14", "="},
	{"03/14/2026", "="},
	{"192.168.100.200:8080", "="},
	{"10.255.255.250", "="},
	{"550e8400-0123-4567-8901-446655440000", "="},
	{"00000000-0151-1234-5678-015112345678", "="},
	{"call v3:015112340000abc", "="},
	{"storm_0151987654321", "="},
	{"seq 1234567, index 0", "="},
	{"packetsLost (51) > 50", "="},
	{"took 0.00012345 s", "="},
	{"code 12345", "="},
	{"", "="},
	{"no digits", "="},
}

func TestText(t *testing.T) {
	for _, c := range cases {
		want := c.want
		if want == "=" {
			want = c.text
		}
		if got := Text(c.text, "+4915112345678", "+14155552671"); got != want {
			t.Errorf("%q becomes %q, want %q", c.text, got, want)
		}
	}
}

// TestTextWithoutACall: of numbers that nobody knows, those whose form says so are
// masked.
func TestTextWithoutACall(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"+49 151 1234 5678", "+49•••••••78"},
		{"0049 151 1234 5678", "+49•••••••78"},
		{"(0151) 12345678", "•••••••78"},
		{"sip:4915112345678@h", "sip:•••••••78@h"},
		{"4155552671", "4155552671"},
		{"(415) 555-2671", "•••••••71"},
	} {
		if got := Text(c.text); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"+15551234567", "+1•••••••67"},
		{"15551234567", "•••••••67"},
		{"sip:+4930123456@sip.example", "sip:+49•••••••56@sip.example"},
		{"anonymous", "anonymous"},
		{"1001", "1001"},
		{"client:agent7", "client:agent7"},
		{"+35312345678", "+353•••••••78"},
	} {
		if got := Number(c.text); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
	}
}

// FuzzText: no call's number gets through in its own spelling, and other text
// stays valid.
func FuzzText(f *testing.F) {
	for _, c := range cases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		got := Text(text+" +4915112345678 "+text, "+4915112345678")
		if strings.Contains(got, "15112345678") && !strings.Contains(text, "15112345678") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

func TestHostileTextIsBounded(t *testing.T) {
	text := strings.Repeat("0151 98765432 ", 2000)
	if strings.Contains(Text(text), "98765432") {
		t.Error("a number is left")
	}
	long := strings.Repeat("1 ", 2000)
	_ = Text(long, "+4915112345678")
}

func BenchmarkText(b *testing.B) {
	for b.Loop() {
		Text("message posted to #voice: 5 calls, mos 3.1, from 0151 98765432 via sip:+4915112345678@h", "+4915112345678")
	}
}
