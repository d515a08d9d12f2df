// Package mask hides phone numbers in text. It knows numbering plans from the
// phone-number library, and imports phonetext.
package mask

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"callwatch/phonetext"
)

const (
	fewest       = 6  // digits of a number; shorter ones are extensions and service codes
	most         = 17 // E.164 has 15, an international prefix two more
	maxRun       = 60 // digits that are looked at together
	maxValidated = 30 // candidates of one text that are looked up; further ones are masked
)

// Number hides a phone number, alone or within an address, but for country code
// and last two digits: +15551234567 becomes +1•••••••67.
func Number(s string) string {
	m := masker{sure: true}
	return m.text(s)
}

// Text hides phone numbers within a sentence, however they are spelled: with + or
// an international prefix, after tel: or sip:, in national form, and the numbers
// known in any form. Other digits are figures, dates and ids, and stay.
func Text(s string, known ...string) string {
	if digits(s) < fewest {
		return s
	}
	var m masker
	for _, number := range known {
		m.learn(number)
	}
	return m.text(s)
}

// masker knows what the numbers in a text may look like.
type masker struct {
	sure    bool     // every run of digits that is long enough is a number
	known   []string // significant digits of numbers that are about
	regions []string // where those are
	tried   int
}

func (m *masker) learn(number string) {
	plain := ascii(number)
	if len(phonetext.Digits(plain)) < fewest {
		return
	}
	if n, err := phonenumbers.Parse(plain, "ZZ"); err == nil {
		m.remember(n)
		return
	}
	all := runs.FindAllStringIndex(plain, -1)
	i := slices.IndexFunc(all, func(at []int) bool { return len(phonetext.Digits(plain[at[0]:at[1]])) >= fewest })
	if i < 0 {
		return
	}
	at := all[i]
	d := phonetext.Digits(plain[at[0]:at[1]])
	plus := strings.Contains(plain[at[0]:at[1]], "+") || plusBefore(plain[:at[0]])
	if n, err := phonenumbers.Parse("+"+cmp.Or(afterPrefix(d), d), "ZZ"); err == nil && (plus || phonenumbers.IsValidNumber(n)) {
		m.remember(n)
	}
	m.known = append(m.known, strings.TrimLeft(d, "0"))
}

// remember makes known what a number is within its country, and where that is.
func (m *masker) remember(n *phonenumbers.PhoneNumber) {
	m.known = append(m.known, phonenumbers.GetNationalSignificantNumber(n))
	if r := phonenumbers.GetRegionCodeForNumber(n); r != "" && !slices.Contains(m.regions, r) {
		m.regions = append(m.regions, r)
	}
}

// runs are digits with the marks that people write between them, at most two in a
// row. Other spaces, dashes and digits were made plain before.
var runs = regexp.MustCompile(`(?:\+ ?|\( ?\+? ?)?[0-9](?:[ \-./()_]{0,3}[0-9]){0,60}`)

func (m *masker) text(s string) string {
	plain, at := phonetext.Decode(s)
	var b strings.Builder
	last, pos := 0, 0
	for {
		run := runs.FindStringIndex(plain[pos:])
		if run == nil {
			break
		}
		from, to, masked := m.find(plain, pos+run[0], pos+run[1])
		if pos = to; masked != "" {
			start := at.Of(from)
			b.WriteString(s[last:start])
			if first := s[start]; plain[from] == '+' && (first == '%' || first == '\\') { // it stays encoded
				b.WriteString(s[start:at.Of(from+1)])
				masked = masked[strings.Index(masked, dots):]
			}
			b.WriteString(masked)
			last = at.Of(to)
		}
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

// groups are the parts of a run between its marks.
var groups = regexp.MustCompile(`(?:\+ ?|\( ?\+? ?)?[0-9]+\)?`)

// find looks for the first number in a run of digits, the longest one that begins
// there, and returns where it is. masked is "" where there is none: end is where to
// go on then.
func (m *masker) find(text string, from, to int) (begin, end int, masked string) {
	parts := groups.FindAllStringIndex(text[from:to], -1)
	cut := len(phonetext.Digits(text[from:to])) > maxRun // there may be more of it behind
	for i := range parts {
		last, count := i, 0 // the last part that leaves it as short as a number is
		for ; last < len(parts) && (count == 0 || count+width(parts[last]) <= most); last++ {
			count += width(parts[last])
		}
		if cut && i > 0 && last == len(parts) {
			return from + parts[i][0], from + parts[i][0], "" // again with what is behind
		}
		if count < fewest {
			continue
		}
		for _, check := range m.checks() {
			for j := last - 1; j >= i; j-- {
				begin, end := from+parts[i][0], from+parts[j][1]
				if masked, ok := check(text, begin, end); ok {
					return begin, end, masked
				}
			}
		}
	}
	return to, to, ""
}

// width bounds the number of digits of a part.
func width(part []int) int { return part[1] - part[0] }

// checks are tried in this order on the parts of a run: what is a number for
// certain, so that figures beside it stay, before what may be one.
func (m *masker) checks() []func(text string, from, to int) (string, bool) {
	if m.sure {
		return []func(string, int, int) (string, bool){m.certain, m.announced}
	}
	return []func(string, int, int) (string, bool){m.certain, m.announced, m.likely}
}

// certain takes valid numbers in international form, and the known ones.
func (m *masker) certain(text string, from, to int) (string, bool) {
	run := text[from:to]
	d := phonetext.Digits(run)
	switch {
	case len(d) < fewest || len(d) > most:
		return "", false
	case strings.Contains(run, "+"):
		n, err := phonenumbers.Parse("+"+d, "ZZ")
		if err != nil || !phonenumbers.IsValidNumber(n) {
			return "", false
		}
		return behindCode(d, n), true
	case plusBefore(text[:from]):
		return hidden(d), validAbroad(d)
	case !m.knows(d) || idBefore(text[:from], true) || idAfter(text[to:], true):
		return "", false
	case afterPrefix(d) != "" && possible(afterPrefix(d)):
		return international(afterPrefix(d)), true
	default:
		return hidden(d), true
	}
}

// announced takes what a plus sign or a scheme says is a number.
func (m *masker) announced(text string, from, to int) (string, bool) {
	run := text[from:to]
	d := phonetext.Digits(run)
	switch {
	case len(d) < fewest:
		return "", false
	case strings.Contains(run, "+"):
		return international(d), !strings.Contains(run, "_") || m.sure // 1_000_000 is a figure
	default:
		return hidden(d), m.sure || addressed(text[:from])
	}
}

// likely takes what has the form of a number and could be one.
func (m *masker) likely(text string, from, to int) (string, bool) {
	run := strings.TrimSuffix(text[from:to], ")")
	if strings.Contains(run, "(") {
		run = text[from:to]
	}
	d := phonetext.Digits(run)
	if len(d) < fewest || len(d) > most || idBefore(text[:from], false) || idAfter(text[to:], false) || figure(run) {
		return "", false
	}
	if m.tried++; m.tried > maxValidated {
		return hidden(d), true
	}
	underscored := strings.Contains(run, "_") // as ids are
	if p := afterPrefix(d); p != "" && possible(p) && (!underscored || validAbroad(p)) {
		return international(p), true
	}
	if underscored {
		return "", false
	}
	return hidden(d), m.national(run, d) || len(d) >= 10 && named(text[:from]) && validAbroad(d)
}

// international shows the country code of digits that begin with one.
func international(d string) string {
	n, err := phonenumbers.Parse("+"+d, "ZZ")
	if err != nil {
		return hidden(d)
	}
	return behindCode(d, n)
}

// behindCode is international for digits that were parsed already.
func behindCode(d string, n *phonenumbers.PhoneNumber) string {
	if code := strconv.Itoa(int(n.GetCountryCode())); strings.HasPrefix(d, code) {
		return "+" + code + hidden(d)
	}
	return hidden(d)
}

func possible(d string) bool {
	n, err := phonenumbers.Parse("+"+d, "ZZ")
	return err == nil && phonenumbers.IsPossibleNumber(n)
}

// validAbroad reports whether the digits are a number with its country code.
func validAbroad(d string) bool {
	n, err := phonenumbers.Parse("+"+d, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(n)
}

// afterPrefix is what follows an international prefix; "" without one.
func afterPrefix(d string) string {
	for _, prefix := range [...]string{"0011", "011", "00"} {
		if rest, ok := strings.CutPrefix(d, prefix); ok && len(rest) > fewest {
			return rest
		}
	}
	return ""
}

// knows reports whether the digits are those of a known number, with or without
// prefixes.
func (m *masker) knows(d string) bool {
	for _, n := range m.known {
		if len(n) >= fewest && strings.HasSuffix(d, n) && len(d)-len(n) <= 7 {
			return true
		}
	}
	return false
}

// northAmerican is the form in which numbers are written there.
var northAmerican = regexp.MustCompile(`^(?:1[ \-.])?(?:\(\d{3}\) ?|\d{3}[\-. ])\d{3}[\-. ]\d{4}$`)

// national reports whether a run is a number without a country code: written as in
// North America, valid where the known numbers are, or with a trunk prefix and
// valid somewhere.
func (m *masker) national(run, d string) bool {
	if northAmerican.MatchString(run) {
		return true
	}
	if len(d) > fewest && (d[0] == '0' || strings.ContainsAny(run, " -/(")) {
		for _, region := range m.regions {
			if valid(d, region) {
				return true
			}
		}
	}
	if d[0] != '0' || strings.HasPrefix(d, "00") || len(d) < 8 {
		return false
	}
	for _, region := range trunkRegions() {
		if valid(d, region) {
			return true
		}
	}
	return false
}

// trunkRegions are the largest ones where national numbers begin with 0. All of
// them would take a second at first use: the library compiles a region's patterns
// then.
func trunkRegions() []string {
	return []string{"DE", "GB", "FR", "IT", "NL", "AT", "CH", "BE", "SE", "AU", "IN", "JP", "ZA", "TR", "BR", "KR"}
}

func valid(d, region string) bool {
	n, err := phonenumbers.Parse(d, region)
	return err == nil && phonenumbers.IsValidNumberForRegion(n, region)
}

// figures are runs of digits that are no numbers: decimals, dates, addresses, versions,
// numbers of a year. 0151.12345678 is no decimal.
var figures = []*regexp.Regexp{
	regexp.MustCompile(`^(0?\d|00+\d*|[1-9]\d*)\.\d+$`),
	regexp.MustCompile(`^20\d\d[/-]\d{4,}$`),
	regexp.MustCompile(`^[1-9]\d?(\.\d{1,2}){2}-\d+$`),
	regexp.MustCompile(`^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$`),
	regexp.MustCompile(`^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( \d{1,2})?$`),
	regexp.MustCompile(`^\d{4}[./-]\d{1,2}[./-]\d{1,2}([ -]\d{1,6})?$`),
	regexp.MustCompile(`^\d{1,3}(\.\d{1,3}){3}$`),
}

func figure(run string) bool {
	for _, f := range figures {
		if f.MatchString(run) {
			return true
		}
	}
	return false
}

// addressed reports whether what comes before says that a number follows.
func addressed(before string) bool {
	return endsIn(before, "tel:", "sip:", "sips:", "callto:", "sms:", "tel:(") || plusBefore(before)
}

// plusBefore reports whether a plus sign of HTML comes before.
func plusBefore(before string) bool {
	return endsIn(before, "&#43;", "&#x2b;")
}

func endsIn(s string, ends ...string) bool {
	s = strings.ToLower(s[max(0, len(s)-16):])
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(s, end) })
}

// names are words that a number follows, with or without a mark between. After from and
// to may come anything that is counted.
var names = regexp.MustCompile(`(?i)(?:^|[^\pL\pN_])(?:(?:from|to) ?[:=(]|(?:caller|callee|tel|telephone|phone|phone number|mobile|fax|msisdn|ani|caller id)[ :=(\-])["' (]*$`)

// named reports whether the word before is one that a number follows.
func named(before string) bool { return names.MatchString(before[max(0, len(before)-32):]) }

// idBefore reports whether digits are a part of the word or id before them. A colon or
// slash behind a word of letters ends it: from:0151, call/0049. A dash or point does
// where the digits are known, or the word says that a number follows.
func idBefore(s string, known bool) bool {
	r, size := utf8.DecodeLastRuneInString(s)
	if wordRune(r) && (!known || r != '_') || !strings.ContainsRune("-.:/_", r) {
		return wordRune(r)
	}
	word := s[:len(s)-size]
	rest := strings.TrimRightFunc(word, unicode.IsLetter)
	end, _ := utf8.DecodeLastRuneInString(rest)
	switch {
	case wordRune(end) || rest == word:
		return wordRune(end)
	case end == '-' || end == '.':
		return true
	default:
		return r != ':' && r != '/' && !known && !named(s)
	}
}

// idAfter reports whether digits are a part of the word or id behind them. Behind known
// ones a colon or a word of letters is none.
func idAfter(s string, known bool) bool {
	r, size := utf8.DecodeRuneInString(s)
	if r != '-' && r != '.' && r != ':' {
		return wordRune(r)
	}
	next, _ := utf8.DecodeRuneInString(s[size:])
	if !known || !wordRune(next) {
		return wordRune(next)
	}
	rest := strings.TrimLeftFunc(s[size:], unicode.IsLetter)
	end, _ := utf8.DecodeRuneInString(rest)
	return r != ':' && (wordRune(end) || end == '-')
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// hidden keeps the last two digits. How many there were is hidden too.
func hidden(d string) string { return dots + d[len(d)-2:] }

const dots = "•••••••"

func digits(s string) (n int) {
	for _, r := range s {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

func ascii(s string) string {
	plain, _ := phonetext.Decode(s)
	return plain
}
