package e164

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Normalize brings a telephone number to E.164 and tells its country (ISO 3166).
// SIP URIs are reduced to their user part when that is a number. Digits without a plus
// are taken for E.164 where they can be nothing else; anything that does not parse as a
// valid number is kept as it came, and its country is unknown.
func Normalize(s, country string) (number, region string) {
	user := s
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "sip:"); ok {
		user, _, _ = strings.Cut(rest, "@")
	}
	if !strings.HasPrefix(user, "+") {
		if len(user) < 8 || !allDigits(user) || len(user) <= longestNational && !onlyE164(user) {
			return s, country
		}
		user = "+" + user
	}
	if allDigits(user[1:]) {
		if region, ok := regionOf(user[1:]); ok {
			return user, countryOf(country, region)
		}
	}
	return parseNumber(s, user, country)
}

// longestNational is how many digits a number of the North American plan has without its
// calling code. Extensions, and most national numbers that are written without a trunk
// prefix, have no more.
const longestNational = 10

// onlyE164 says whether digits are a valid number when a plus stands before them, and
// none of North America when +1 does: 3125550100 is Chicago's, not one of the
// Netherlands.
func onlyE164(digits string) bool {
	valid := func(number string) bool {
		n, err := phonenumbers.Parse(number, "")
		return err == nil && phonenumbers.IsValidNumber(n)
	}
	return valid("+"+digits) && !(len(digits) == longestNational && valid("+1"+digits))
}

// parseNumber reads a number in whatever form it is written.
func parseNumber(s, user, country string) (number, region string) {
	n, err := phonenumbers.Parse(user, "")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return s, country
	}
	region = phonenumbers.GetRegionCodeForNumber(n)
	if allDigits(user[1:]) && !phonenumbers.IsValidNumberForRegion(n, region) {
		return user, countryOf(country, region) // E.164 in form already: formatting would drop zeros of a number out of no plan
	}
	return phonenumbers.Format(n, phonenumbers.E164), countryOf(country, region)
}

// countryOf is the country that the provider gave, or else that of the number;
// calling codes of no country have none.
func countryOf(given, region string) string {
	if given == "" {
		given = region
	}
	if given == "ZZ" || given == "001" {
		return ""
	}
	return given
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
