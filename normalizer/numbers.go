package normalizer

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// e164 brings a telephone number to E.164 and tells its country (ISO 3166).
// SIP URIs are reduced to their user part when that is a number; anything that
// does not parse as a valid number is kept as it came.
func e164(s, country string) (number, region string) {
	user := s
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "sip:"); ok {
		user, _, _ = strings.Cut(rest, "@")
	}
	if !strings.HasPrefix(user, "+") {
		if len(user) < 8 || strings.Trim(user, "0123456789") != "" {
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
		return user, country // E.164 in form already: formatting would drop zeros of a number out of no plan
	}
	return phonenumbers.Format(n, phonenumbers.E164), country
}
