package phonetext

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// Example numbers of all regions are found as the phone-number library writes them, and
// none is found in what it writes of another one; nor in the number that begins with its
// national digits.
func TestSpellingOfRegions(t *testing.T) {
	formats := []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.INTERNATIONAL, phonenumbers.RFC3966}
	all := map[string]*phonenumbers.PhoneNumber{}
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE} {
			if n := phonenumbers.GetExampleNumberForType(region, kind); n != nil {
				all[phonenumbers.Format(n, phonenumbers.E164)] = n
				if other := parsed("+"+phonenumbers.GetNationalSignificantNumber(n), "", phonenumbers.IsPossibleNumber); other != nil {
					all[phonenumbers.Format(other, phonenumbers.E164)] = other
				}
			}
		}
	}
	written := map[string]Text{} // all spellings of a number
	for number, n := range all {
		var b strings.Builder
		for _, f := range formats {
			b.WriteString(phonenumbers.Format(n, f) + "; 00" + strings.TrimPrefix(phonenumbers.Format(n, f), "+") + "; ")
			b.WriteString(strings.NewReplacer("+", "%2B", " ", "%20").Replace(phonenumbers.Format(n, f)) + "; ")
		}
		b.WriteString("n=" + strings.ReplaceAll(phonenumbers.Format(n, phonenumbers.INTERNATIONAL), " ", "+") + "; " + number[1:])
		written[number] = Read(b.String())
	}
	missed, wrong := 0, 0
	for number, n := range all {
		s, err := ParseSpelling(number)
		if err != nil {
			continue // too short
		}
		for _, f := range formats {
			if text := phonenumbers.Format(n, f); !s.In(Read(text)) {
				if missed++; missed < 20 {
					t.Errorf("%s is not found in %s", number, text)
				}
			}
		}
		if text := phonenumbers.Format(n, phonenumbers.NATIONAL); s.trunk != "" && strings.HasPrefix(Digits(text), s.trunk+s.national) && !s.In(Read(text)) {
			t.Errorf("%s is not found in %s", number, text)
		}
		for other, text := range written {
			// In no plan, and its own with the prefix behind the country code.
			same := other == s.Number || other == "+"+s.code+s.trunk+s.national
			if !same && s.In(text) {
				if wrong++; wrong < 20 {
					t.Errorf("%s is found in %s", number, text.plain)
				}
			}
		}
	}
	if len(all) < 500 || missed+wrong > 0 {
		t.Errorf("%d numbers, %d missed, %d wrong", len(all), missed, wrong)
	}
}
