package notifier

import (
	"regexp"
	"slices"
	"strings"

	"callwatch/call"
)

var (
	// numberRuns are digits with the marks people write between them.
	numberRuns = regexp.MustCompile(`\+?\d(?:[\d\-. ()/]*\d)?`)
	// plusRuns are numbers in international form, wherever they stand.
	plusRuns = regexp.MustCompile(`\+\d{6,}`)
)

// shortestNumber is in digits; shorter ones are extensions and service codes.
const shortestNumber = 6

// maskNumber hides a phone number, alone or within an address, but for country
// code and last two digits: +15551234567 becomes +1•••••••67.
func maskNumber(s string) string {
	return numberRuns.ReplaceAllStringFunc(s, maskRun)
}

func maskRun(run string) string {
	digits := strings.Map(onlyDigits, run)
	if len(digits) < shortestNumber {
		return run
	}
	if strings.HasPrefix(run, "+") {
		return "+" + digits[:callingCode(digits)] + hide(digits)
	}
	return hide(digits)
}

// hide keeps the last two digits. How many there were stays hidden too.
func hide(digits string) string { return "•••••••" + digits[len(digits)-2:] }

func onlyDigits(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// maskText hides the numbers of the call, and any number in international form,
// within a sentence. Other digits are figures and stay.
func maskText(s string, e *call.Event) string {
	for _, n := range []string{e.From, e.To} {
		if len(strings.Map(onlyDigits, n)) >= shortestNumber {
			s = strings.ReplaceAll(s, n, maskNumber(n))
		}
	}
	return plusRuns.ReplaceAllStringFunc(s, maskRun)
}

// callingCode is how many of the leading digits are the country code (ITU-T
// E.164): one in the zones 1 and 7, two for the countries listed, else three.
func callingCode(digits string) int {
	twoDigits := []string{
		"20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
		"51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
		"81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
	}
	switch {
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case slices.Contains(twoDigits, digits[:2]):
		return 2
	default:
		return 3
	}
}
