package phonetext

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// german are spellings of +49 151 12345678 within other text.
var german = []string{
	"+4915112345678", "4915112345678", "004915112345678", "015112345678", "(0151) 1234-5678", "+49 151 1234 5678", `"to":"+4915112345678"`,
	"To=%2B4915112345678&x=1", "sip:4915112345678@host", `\u002b4915112345678`, "call +49 (0)151 12345678 now",
	"rec?to=%2B49%20151%2012345678", "n=+49+151+12345678", "%22%3A%224915112345678%22", "+49\u2011151\u201112345678", "+49\u2013151\u201412345678",
	"+49\u200b151\u2060123\u00ad45678", "\uff0b\uff14\uff19\uff11\uff15\uff11\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "+٤٩١٥١١٢٣٤٥٦٧٨", "+𝟒𝟗𝟏𝟓𝟏𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
	"from=%2B49+151+12345678", "q=%204915112345678", `"to":"\u002b\u0034\u0039\u0031511234567\u0038"`, `"to":"\ud835\udfd2\ud835\udfd7151 12345678"`, "to=%EF%BC%8B49%E2%80%91151%E2%80%9112345678",
	`{"raw":"{\"to\":\"\\u002b4915112345678\"}"}`, "payload=%7B%22to%22%3A%22%5Cu002b4915112345678%22%7D", "u=%252B4915112345678", "+49\n151\n12345678", `"+49\n151\t12345678"`,
	"0049 151 12345678", "011 49 151 12345678", "01149 15112345678", "n=+0151+12345678", "(+49) 151 12345678", "+49 151 12345678 20 times", "12 +49 151 12345678",
	"+14155552671+4915112345678", "+14155552671 015112345678", "5 0151 12345678", "49-151-12345678", "+49_151_12345678", "0151/12345678", "+4915112345678-", "x004915112345678",
}

func TestSpelling(t *testing.T) {
	for _, given := range []string{"+4915112345678", "0049 151 12345678", "tel:+49-151-12345678", "sip:+4915112345678@host", "+49 (0) 151 / 1234 5678"} {
		s, err := ParseSpelling(given)
		if err != nil || s.Number != "+4915112345678" {
			t.Errorf("%s: %q, %v", given, s.Number, err)
			continue
		}
		for _, text := range german {
			if !s.In(Read(text)) {
				t.Errorf("%s is not found in %s", given, text)
			}
			if got := s.Replace("<"+text+">", "X"); s.In(Read(got)) || got[0] != '<' || got[len(got)-1] != '>' {
				t.Errorf("replaced in %s: %s", text, got)
			}
		}
		for _, text := range []string{"+49151123456789", "+4915112345679", "94915112345678", "12345678", ""} {
			if s.In(Read(text)) {
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
	if s, ok := SpellingOf("sip:alice@example.com"); !ok || !s.In(Read(`"from":"SIP:alice@example.com"`)) || !s.In(Read("sip%3Aalice%40example.com")) || s.In(Read("sip:alicia@example.com")) {
		t.Error("an address is not found as it is written")
	}
	if _, ok := SpellingOf("bob"); ok {
		t.Error("three letters are an address")
	}
}

// A number is not another one that ends, begins or is written like it.
func TestSpellingOfOthers(t *testing.T) {
	for _, c := range []struct {
		number string
		named  []string
		others []string // of other numbers, or of none
	}{
		{
			"+86 150 5234 5678",
			[]string{"+86 150 5234 5678", "86 150 5234 5678", "0086-150-5234-5678", `"from":"8615052345678"`, "015052345678", "n=+86+150+5234+5678"},
			[]string{"+1 505 234 5678", "+15052345678", "15052345678", `"from":"15052345678"`, "001 505 234 5678", "%2B1 505 234 5678", "+1+505+234+5678", "011 1 505 234 5678", "150 5234 5678", "id 15052345678"},
		},
		{
			"+1 505 234 5678",
			[]string{
				"+1 505 234 5678", "15052345678", "1-505-234-5678", "(1) 505 2345678", `"from":"(505) 234-5678"`, "From=505-234-5678&To=1", `"caller_id":"5052345678"`, `{\"toNumber\":\"505.234.5678\"}`,
				`"phone":5052345678}`, "sip:5052345678@pbx", "tel:505-234-5678", "Caller=%28505%29+234-5678", "0015052345678", "01115052345678", `"X-From" : "5052345678"`,
			},
			[]string{
				"+86 150 5234 5678", "+8615052345678", "86 150 5234 5678", "0086 150 5234 5678", "011 86 150 5234 5678", "n=+86+150+5234+5678", "%2B86%20150%205234%205678",
				"order 5052345678 shipped", `"note":"5052345678"`, `"id":"5052345678"`, `"total":5052345678`, `"from":"order 5052345678"`, `"to":"5052345678 shipped"`, "+5052345678", "+505 234 5678", `"from":"+505 234 5678"`,
				"call (505) 234-5678 now", "+44 505 234 5678", `"orderNumber":"5052345678"`, "8615052345678", "150523456789",
			},
		},
		{
			"+33 6 12 34 56 88",
			[]string{"+33612345688", "0033 6 12 34 56 88", "06 12 34 56 88", "0612345688", "33612345688", "+33 (0)6 12 34 56 88", `"from":"0612345688"`},
			[]string{"order 612345688 shipped", `"from":"612345688"`, "+44 612345688", "+44 (0)612345688", "+44 0612345688", "0044612345688", "+41 0612345688", "+612345688", "00612345688"},
		},
		{
			"+39 02 3661 8300",
			[]string{"+390236618300", "02 3661 8300", "39 02 3661 8300", "0039 0236618300"},
			[]string{"236618300", "+41 0236618300", "+236618300"},
		},
		{
			"+7 495 123-45-67",
			[]string{"+7 495 123 45 67", "8 (495) 123-45-67", "74951234567", "0074951234567"},
			[]string{"+84951234567", "+8 495 123 45 67", "4951234567", "+49 5123 4567"},
		},
		{"+34 612 345 678", []string{`"from":"612345678"`, "+34612345678", "to=612+345+678"}, []string{"id 612345678", `"orderId":"612345678"`, "0612345678", "+49 612 345678"}},
		// What goes on is an extension of another line.
		{"+49 30 1234", nil, nil},
		{"+49 30 12345", []string{"+49 30 12345", "030 12345, 20 times"}, []string{"+49 30 12345-67", "030 12345 678", "+49 30 123456"}},
	} {
		s, err := ParseSpelling(c.number)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, text := range c.named {
			if !s.In(Read(text)) {
				t.Errorf("%s is not found in %s", c.number, text)
			}
			if got := s.Replace(text, "X"); s.In(Read(got)) || !strings.Contains(got, "X") {
				t.Errorf("%s is replaced in %s: %s", c.number, text, got)
			}
		}
		for _, text := range c.others {
			if s.In(Read(text)) {
				t.Errorf("%s is found in %s", c.number, text)
			}
		}
	}
	// Only what is replaced may be digits of any text.
	s, _ := ParseSpelling("+33612345688")
	for text, want := range map[string]string{
		"order 612345688 shipped": "order X shipped", "+44 612345688": "+44 612345688", "+612345688": "+612345688", "sip%3A%2B33%206%2012345688%40h": "sip%3AX%40h",
		"+33\u200b612345688é": "Xé", "é +33612345688 é": "é X é",
	} {
		if got := s.Replace(text, "X"); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	s, _ = ParseSpelling("+8615052345678")
	if got := s.Replace("by +15052345678", "X"); got != "by +15052345678" {
		t.Error(got)
	}
}

// A party without country code is found with other separators.
func TestSpellingOfDigits(t *testing.T) {
	for _, party := range []string{"0612345688", "06 12 34 56 88", "sip:0612345688@pbx"} {
		s, ok := SpellingOf(party)
		if got := s.Replace("called 06 12 34 56 88, not 106123456880", "X"); !ok || got != "called X, not 106123456880" {
			t.Errorf("%s: %s", party, got)
		}
	}
	// Short ones, and dates, are nowhere but where they are alone.
	for party, text := range map[string]string{"12345": "inc_12345, a12345b, 1-2345, 12.345", "20260314": "2026-03-14 02:14, v20260314, T20260314_"} {
		s, ok := SpellingOf(party)
		if got := s.Replace(text+" "+party, "X"); !ok || got != text+" X" {
			t.Errorf("%s: %s", party, got)
		}
	}
	s, _ := ParseSpelling("+45 20260314")
	if got := s.Replace("2026-03-14 at 20 26 03 14", "X"); got != "2026-03-14 at X" {
		t.Error(got)
	}
}

func TestNumbersIn(t *testing.T) {
	own, _ := ParseSpelling("+33612345688")
	for _, c := range []struct{ text, want string }{
		{"+49 30 90182077", "+493090182077"},
		{"agent 0049 30 90182077, 20 calls", "+493090182077"},
		{"tel:+493090182077;+442079460018", "+493090182077 +442079460018"},
		{"493090182077", "+493090182077"},
		{"ask 01 42 68 53 00", "+33142685300"},
		{"order 612345688 shipped", ""},
		{"", ""},
		{"2026-03-14 02:14:00", ""},
		{"1773454440.000200", ""},
		{"550e8400-0123-4567-8901-446655440000", ""},
	} {
		var found []string
		for _, s := range NumbersIn(c.text, own) {
			found = append(found, s.Number)
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// However a number is encoded and separated, it is found and replaced, and nothing beside
// it is.
func FuzzSpelling(f *testing.F) {
	for _, text := range german {
		f.Add(text, text)
	}
	s, err := ParseSpelling("+4915112345678")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if got := s.Replace(before, "<>"); s.In(Read(got)) && strings.Trim(got, "<>") == got {
			t.Fatalf("%q becomes %q", before, got)
		}
		// Encoded, the borders stay where they are.
		text := before + " x: +49 151 12345678 :x " + after
		if !s.In(Read(text)) {
			t.Fatalf("not found in %q", text)
		}
		if !s.In(Read(url.QueryEscape(text))) {
			t.Fatalf("not found in %q as a form", text)
		}
		if b, err := json.Marshal(text); err != nil || !s.In(Read(string(b))) {
			t.Fatalf("not found in %q as JSON, %v", text, err)
		}
	})
}

func BenchmarkIn(b *testing.B) {
	s, err := ParseSpelling("+4915112345678")
	if err != nil {
		b.Fatal(err)
	}
	body := `{"event":"voice.outbound","payload":{"id":"550e8400-0123-4567-8901-446655440000","status":"completed","to":"+14155552671","from":"+442079460018","duration":40,"endedAt":"2026-03-14T02:14:00Z","mediaMetrics":{"mos":4.1,"jitter":[1.2,3.4,5.6]}}}`
	for name, text := range map[string]string{"json": body, "pretty": strings.ReplaceAll(body, ",", ",\n  "), "form": "payload=" + url.QueryEscape(body), "unicode": strings.ReplaceAll(body, "completed", "vollständig")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if s.In(Read(text)) {
					b.Fatal(text)
				}
			}
		})
	}
}
