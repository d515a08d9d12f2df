package e164

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// libraryE164 is e164 by the library alone.
func libraryE164(s, country string) (number, region string) {
	user := s
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "sip:"); ok {
		user, _, _ = strings.Cut(rest, "@")
	}
	if !strings.HasPrefix(user, "+") {
		if len(user) < 8 || strings.Trim(user, "0123456789") != "" || len(user) <= 10 && !onlyE164(user) {
			return s, country
		}
		user = "+" + user
	}
	n, err := phonenumbers.Parse(user, "")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return s, country
	}
	region = phonenumbers.GetRegionCodeForNumber(n)
	valid := phonenumbers.IsValidNumberForRegion(n, region)
	if country == "" {
		country = region
	}
	if country == "ZZ" || country == "001" {
		country = ""
	}
	if strings.Trim(user[1:], "0123456789") == "" && !valid {
		return user, country
	}
	return phonenumbers.Format(n, phonenumbers.E164), country
}

func likeLibrary(t *testing.T, s, country string) {
	t.Helper()
	number, region := Normalize(s, country)
	if wantNumber, wantRegion := libraryE164(s, country); number != wantNumber || region != wantRegion {
		t.Errorf("%q %q: %q %q, the library says %q %q", s, country, number, region, wantNumber, wantRegion)
	}
}

// exampleNumbers are the library's examples of each kind of number of each
// region, in E.164.
func exampleNumbers(t testing.TB) []string {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range all.GetMetadata() {
		for _, desc := range []*phonenumbers.PhoneNumberDesc{
			m.GetGeneralDesc(), m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetVoip(), m.GetPremiumRate(),
			m.GetSharedCost(), m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
		} {
			if national := desc.GetExampleNumber(); national != "" {
				found = append(found, fmt.Sprintf("+%d%s", m.GetCountryCode(), national))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Every number has the form and the country that the library gives it: examples
// of all kinds and regions, with their national prefix as well, cut, longer, with
// another digit at some places; and digits at random behind every calling code.
func TestNumbersAsTheLibrary(t *testing.T) {
	examples := exampleNumbers(t)
	if len(examples) < 1000 {
		t.Fatalf("%d examples", len(examples))
	}
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for _, s := range examples {
		likeLibrary(t, s, "")
		if _, ok := regionOf(s[1:]); ok {
			taken++
		}
		for range 2 {
			at := 1 + random.IntN(len(s)-1)
			likeLibrary(t, s[:at]+string('0'+byte(random.IntN(10)))+s[at+1:], "")
		}
		likeLibrary(t, s[:len(s)-1], "")
		likeLibrary(t, s+"0", "")
		likeLibrary(t, s, "001")
	}
	if share := float64(taken) / float64(len(examples)); share < 0.9 {
		t.Errorf("%.0f %% of the examples need no library, want 90", 100*share)
	}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		prefix := "0"
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			prefix = phonenumbers.GetNddPrefixForRegion(region, true)
		}
		for range 40 {
			national := ""
			for range 1 + random.IntN(16) {
				national += string('0' + byte(random.IntN(10)))
			}
			likeLibrary(t, fmt.Sprintf("+%d%s", code, national), "")
			likeLibrary(t, fmt.Sprintf("+%d%s%s", code, prefix, national), "")
		}
	}
}

// Digits without a plus that may be a national number or an extension stay as they came.
func TestDigitsWithoutPlus(t *testing.T) {
	for s, want := range map[string]string{
		"14155550100": "+14155550100 US", "442079460018": "+442079460018 GB", "4915112345678": "+4915112345678 DE", "919876543210": "+919876543210 IN",
		"6561234567": "+6561234567 SG", "4521234567": "+4521234567 DK", // no North American number: its exchange begins with 1
		"3125550100": "3125550100 ", "6505550101": "6505550101 ", "9175550123": "9175550123 ", "4155550100": "4155550100 ",
		"10012345": "10012345 ", "20001001": "20001001 ", "sip:10012345@pbx.example.com": "sip:10012345@pbx.example.com ",
		"sip:14155550100@pbx.example.com": "+14155550100 US", "1001": "1001 ",
	} {
		number, region := Normalize(s, "")
		if got := number + " " + region; got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func FuzzE164(f *testing.F) {
	for i, s := range exampleNumbers(f) {
		if i%25 == 0 {
			f.Add(s, "")
		}
	}
	for _, s := range []string{"", "+", "sip:+442071838750@h", "SIP:442071838750", "+0", "+00000000", "+999", "+44 20", "004420", "٤٤٢٠"} {
		f.Add(s, "GB")
	}
	f.Fuzz(likeLibrary)
}

func BenchmarkE164(b *testing.B) {
	for name, s := range map[string]string{"US": "+14155550123", "CA": "+16135550199", "GB": "+442071838750", "IN": "+919876543210", "AR": "+5491123456789", "written": "+44 20 7183 8750"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normalize(s, "")
			}
		})
	}
}
