package phonetext

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Spelling finds a number in text, however it is written.
type Spelling struct {
	Number string // E.164, or as it came where it is no telephone number

	code     string // calling code; "" for digits of which none is known
	national string // digits; "" for an address that is no number
	address  string // folded as texts are
	trunk    string // what begins the number within its country; "" where that has none
	region   string
	next     [][10]uint8 // how many digits of national are read, from how many and the next one
}

const (
	// fewestDigits of a national number, or characters of an address.
	fewestDigits = 5
	// mostDigits of a number with its calling code.
	mostDigits = 15
	// widestGap is between two digits of a number, in separators.
	widestGap = 4
	// fewestSeparated digits without a country code are found with separators.
	fewestSeparated = 8
	// longestExtension is what is looked at behind a number that may go on there.
	longestExtension = 5
)

// separator marks what is between the digits of a number. A plus sign is a space in
// forms.
var separator = [256]bool{' ': true, '_': true, '(': true, ')': true, '.': true, '-': true, '/': true, '+': true}

// ParseSpelling reads a number with its country code, in any spelling: +49 151 ...,
// 0049151..., tel:+49-151-..., sip:+49151...@host.
func ParseSpelling(s string) (Spelling, error) {
	plain := userPart(s)
	if rest, ok := strings.CutPrefix(plain, "00"); ok {
		plain = "+" + rest
	}
	if !strings.HasPrefix(plain, "+") {
		return Spelling{}, fmt.Errorf("%.40q has no country code: write it like +4915112345678", s)
	}
	n, err := phonenumbers.Parse(plain, "")
	if err != nil {
		return Spelling{}, fmt.Errorf("%.40q is no telephone number: %w", s, err)
	}
	if len(phonenumbers.GetNationalSignificantNumber(n)) < fewestDigits {
		return Spelling{}, fmt.Errorf("%.40q is too short", s)
	}
	return newSpelling(n), nil
}

func newSpelling(n *phonenumbers.PhoneNumber) Spelling {
	s := Spelling{
		Number: phonenumbers.Format(n, phonenumbers.E164), code: strconv.Itoa(int(n.GetCountryCode())),
		national: phonenumbers.GetNationalSignificantNumber(n), region: phonenumbers.GetRegionCodeForNumber(n),
	}
	region := s.region
	if region == "" { // a number out of no plan
		region = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	}
	// In North America it is the calling code, and no other form.
	if trunk := phonenumbers.GetNddPrefixForRegion(region, true); trunk != s.code {
		s.trunk = trunk
	}
	s.next = automaton(s.national)
	return s
}

// userPart is a number or an address without scheme, host and parameters.
func userPart(s string) string {
	plain := strings.ToLower(strings.TrimSpace(s))
	for _, scheme := range []string{"tel:", "sip:", "sips:"} {
		plain = strings.TrimPrefix(plain, scheme)
	}
	plain, _, _ = strings.Cut(plain, "@")
	plain, _, _ = strings.Cut(plain, ";")
	return plain
}

// SpellingOf is of the party of a call: a telephone number, digits without a country
// code, however they are separated, or any other address, which is found as it is
// written. ok is false for one too short to tell anything.
func SpellingOf(party string) (s Spelling, ok bool) {
	if s, err := ParseSpelling(party); err == nil {
		return s, true
	}
	if user := Read(userPart(party)).plain; strings.Trim(user, "0123456789 ()./-") == "" {
		digits := Digits(user)
		if n := len(digits); n >= fewestDigits && n <= 2*mostDigits {
			return Spelling{Number: party, national: digits, next: automaton(digits)}, true
		}
	}
	address := Read(party).plain
	return Spelling{Number: party, address: address}, len(address) >= fewestDigits
}

// numberRuns are what may be numbers of a text: digits with separators.
var numberRuns = regexp.MustCompile(`\+?[0-9](?:[ ().\-/]{0,3}[0-9]){6,20}`)

// NumbersIn finds the numbers of a text that are written with plus sign or
// international prefix, as all of the text, or as they are within one of the regions of
// others.
func NumbersIn(text string, others ...Spelling) (found []Spelling) {
	if len(text) < fewestDigits || strings.IndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' || r >= utf8.RuneSelf }) < 0 {
		return nil
	}
	plain := Read(text).plain
	for _, at := range numberRuns.FindAllStringIndex(plain, -1) {
		run := plain[at[0]:at[1]]
		alone := strings.Trim(plain, " ()") == strings.Trim(run, " ()")
		for run != "" {
			if n := numberOf(run, alone, others); n != nil {
				found = append(found, newSpelling(n))
				break
			}
			run = run[:max(0, strings.LastIndexAny(run, " ().-/"))] // figures behind a number
		}
	}
	return found
}

// numberOf reads a number as it is written; nil if it is none.
func numberOf(run string, alone bool, others []Spelling) *phonenumbers.PhoneNumber {
	digits := Digits(run)
	switch {
	case strings.HasPrefix(run, "+"):
		return parsed("+"+digits, "", phonenumbers.IsPossibleNumber)
	case strings.HasPrefix(digits, "00"):
		return parsed("+"+digits[2:], "", phonenumbers.IsValidNumber)
	}
	for i := range others {
		if trunk := others[i].trunk; others[i].region == "" || !alone && trunk == "" || !strings.HasPrefix(digits, trunk) || date.MatchString(run) {
			continue
		}
		if n := parsed(digits, others[i].region, phonenumbers.IsValidNumber); n != nil {
			return n
		}
	}
	if alone {
		return parsed("+"+digits, "", phonenumbers.IsValidNumber)
	}
	return nil
}

func parsed(number, region string, ok func(*phonenumbers.PhoneNumber) bool) *phonenumbers.PhoneNumber {
	n, err := phonenumbers.Parse(number, region)
	if err != nil || !ok(n) || len(phonenumbers.GetNationalSignificantNumber(n)) < fewestDigits {
		return nil
	}
	return n
}

// In reports whether a text names the number: with its country code, as it is dialled
// within its country, or as the party of a call. Digits that can be another number, or
// an id, do not name it.
func (s *Spelling) In(text Text) bool {
	_, _, ok := s.find(text.plain, 0, true)
	return ok
}

// Replace puts other in the place of the number, wherever it is, and of its national
// digits wherever they stand alone and are no part of another number.
func (s *Spelling) Replace(text, other string) string {
	t := Read(text)
	var b strings.Builder
	rest := 0
	for at := 0; ; {
		from, to, ok := s.find(t.plain, at, false)
		if !ok {
			break
		}
		b.WriteString(text[rest:t.at.Of(from)])
		b.WriteString(other)
		rest, at = t.at.Of(to), to
	}
	if rest == 0 {
		return text
	}
	return b.String() + text[rest:]
}

// find returns where the number first is in a text behind from.
func (s *Spelling) find(text string, from int, strict bool) (begin, end int, ok bool) {
	if s.national == "" {
		return s.findAddress(text, from)
	}
	read, gap, floor := uint8(0), 0, from
	for i := from; i < len(text); i++ {
		c := text[i]
		digit := c - '0'
		if digit > 9 {
			if gap++; read > 0 && (!separator[c] || gap > widestGap) {
				read = 0
			}
			continue
		}
		read, gap = s.next[read][digit], 0
		if int(read) < len(s.national) {
			continue
		}
		begin, ok := s.accept(text, takeBack(text, i+1, s.national), i+1, strict)
		if ok && begin >= floor {
			return begin, i + 1, true
		}
	}
	return 0, 0, false
}

// findAddress finds what is no number as it is written, in whatever case.
func (s *Spelling) findAddress(text string, from int) (begin, end int, ok bool) {
	n := len(s.address)
	if n == 0 {
		return 0, 0, false
	}
	first := s.address[0] | 0x20
	for i := from; i+n <= len(text); i++ {
		if text[i]|0x20 == first && strings.EqualFold(text[i:i+n], s.address) && (!isDigit(text, i) || !isDigit(text, i-1)) && (!isDigit(text, i+n-1) || !isDigit(text, i+n)) {
			return i, i + n, true
		}
	}
	return 0, 0, false
}

// accept decides about national digits in a text: begin is where the number begins
// that they are of. Only a strict search asks whether they can be something else.
func (s *Spelling) accept(text string, from, to int, strict bool) (begin int, ok bool) {
	if isDigit(text, to) || strict && s.goesOn(text, to) {
		return 0, false
	}
	if s.code == "" {
		whole := !isDigit(text, from-1) && !isWord(text, from-1) && !isWord(text, to)
		return from, whole && (text[from:to] == s.national || len(s.national) >= fewestSeparated && !date.MatchString(text[from:to]))
	}
	if begin, ok := withCode(text, takeBack(text, from, s.code), to); ok {
		return begin, true
	}
	if s.trunk != "" {
		at := takeBack(text, from, s.trunk)
		// As in +49 (0)151; no country code begins with 0, so that a plus sign before it is a space.
		zero := s.trunk[0] == '0'
		if begin, ok := withCode(text, takeBack(text, at, s.code), to); ok && zero {
			return begin, true
		}
		if at >= 0 && !isDigit(text, at-1) && (zero || !isPlus(text, at-1)) && !anotherNumber(text, at, to) {
			return at, true
		}
	}
	leading := s.national[0] == '0' // as in Italy
	if isDigit(text, from-1) || !leading && isPlus(text, from-1) || anotherNumber(text, from, to) {
		return 0, false
	}
	if strict {
		return from, s.trunk == "" && (leading || namesParty(text, from, to))
	}
	return from, namesParty(text, from, to) || standsAlone(text, from, to)
}

// date is one in digits.
var date = regexp.MustCompile(`^(\d{4}[-./]\d\d[-./]\d\d|\d\d[-./]\d\d[-./]\d{4})$`)

// standsAlone reports whether digits are neither a part of an id nor a date.
func standsAlone(text string, from, to int) bool {
	before, after := strings.TrimRight(text[:from], "("), strings.TrimLeft(text[to:], ")")
	return (before == "" || strings.ContainsRune(" \"'=,;<>[{|&", rune(before[len(before)-1]))) &&
		(after == "" || strings.ContainsRune(" \"',;.:!?<>]}|&@", rune(after[0]))) && !date.MatchString(text[from:to])
}

// prefixes are what is dialled before a country code.
var prefixes = []string{"0011", "011", "00"}

// withCode accepts the number whose country code begins at a place, and returns where
// its sign or prefix begins.
func withCode(text string, at, to int) (begin int, ok bool) {
	if at < 0 {
		return 0, false
	}
	if isPlus(text, at-1) && !isDigit(text, at-2) {
		return at - 1, true
	}
	for _, prefix := range prefixes {
		if p := takeBack(text, at, prefix); p >= 0 && text[p:p+len(prefix)] == prefix && !isDigit(text, p-1) {
			return p, true
		}
	}
	if isDigit(text, at-1) || anotherNumber(text, at, to) {
		return 0, false
	}
	if isPlus(text, at-1) {
		at--
	}
	return at, true
}

// anotherNumber reports whether digits are a part of a number that begins before them.
func anotherNumber(text string, from, to int) bool {
	digits := Digits(text[from:to])
	for at := from; len(digits) <= mostDigits; {
		if at = previous(text, at); at < 0 {
			return false
		}
		digits = text[at:at+1] + digits
		if isDigit(text, at-1) {
			continue
		}
		number, ok := digits, phonenumbers.IsValidNumber
		if isPlus(text, at-1) {
			ok = phonenumbers.IsPossibleNumber
		}
		for _, prefix := range prefixes {
			if rest, cut := strings.CutPrefix(digits, prefix); cut {
				number, ok = rest, phonenumbers.IsPossibleNumber
				break
			}
		}
		for _, tail := range tails(text, to) {
			if len(number)+len(tail) <= mostDigits && parsed("+"+number+tail, "", ok) != nil {
				return true
			}
		}
	}
	return false
}

// tails are the digits behind a place that may belong to a number: none, those up to the
// next separator, and so on.
func tails(text string, to int) []string {
	found := []string{""}
	tail := ""
	for i, gap := to, 0; i < len(text) && gap <= widestGap && len(tail) < mostDigits; i++ {
		switch {
		case isDigit(text, i):
			tail, gap = tail+text[i:i+1], 0
			if !isDigit(text, i+1) {
				found = append(found, tail)
			}
		case separator[text[i]]:
			gap++
		default:
			return found
		}
	}
	return found
}

// goesOn reports whether the digits behind the number make it a longer one, as
// extensions do.
func (s *Spelling) goesOn(text string, to int) bool {
	if s.code == "" || to+1 >= len(text) || !strings.ContainsRune(" -./", rune(text[to])) {
		return false
	}
	end := to + 1
	for isDigit(text, end) {
		end++
	}
	n := end - to - 1
	return n > 0 && n <= longestExtension && parsed("+"+s.code+s.national+text[to+1:end], "", phonenumbers.IsValidNumber) != nil
}

// parties are words in the names of members that hold the party of a call.
var parties = []string{"from", "to", "caller", "callee", "called", "calling", "ani", "dnis", "cli", "msisdn", "phone", "mobile", "tel"}

// namesParty reports whether digits are all of the value of a member, in JSON or in a
// form, that names a party of the call by its name, or the user of an address.
func namesParty(text string, from, to int) bool {
	before := strings.TrimRight(text[:from], "( ")
	after := strings.TrimLeft(text[to:], ") ")
	if after != "" && !strings.ContainsRune("\"'&,;}]@\\<>", rune(after[0])) {
		return false
	}
	for _, scheme := range []string{"sips:", "sip:", "tel:"} {
		if n := len(before) - len(scheme); n >= 0 && strings.EqualFold(before[n:], scheme) {
			return true
		}
	}
	before = strings.TrimRight(before, `"' \`)
	if before == "" || before[len(before)-1] != ':' && before[len(before)-1] != '=' {
		return false
	}
	before = strings.TrimRight(before[:len(before)-1], `"' \]`)
	begin := len(before)
	for begin > 0 && nameByte(before[begin-1]) {
		begin--
	}
	return slices.ContainsFunc(words(before[begin:]), func(w string) bool { return slices.Contains(parties, w) }) ||
		strings.EqualFold(before[begin:], "number")
}

func nameByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '-'
}

// words are the parts of a name such as from_number, callerId or X-To.
func words(name string) []string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if i > 0 && c >= 'A' && c <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		if c == '_' || c == '-' {
			c = ' '
		}
		b.WriteByte(c)
	}
	return strings.Fields(strings.ToLower(b.String()))
}

// takeBack returns where digits begin that end before a place, with separators between
// them; -1 if others are there, or the place is none.
func takeBack(text string, before int, digits string) int {
	for i := len(digits) - 1; i >= 0 && before >= 0; i-- {
		if before = previous(text, before); before >= 0 && text[before] != digits[i] {
			return -1
		}
	}
	return before
}

// previous is the place of the digit before a place, behind separators at most; -1 if
// there is none.
func previous(text string, before int) int {
	for i := before - 1; i >= 0 && i >= before-1-widestGap; i-- {
		if isDigit(text, i) {
			return i
		}
		if !separator[text[i]] {
			break
		}
	}
	return -1
}

func isDigit(text string, i int) bool {
	return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9'
}

func isWord(text string, i int) bool {
	return i >= 0 && i < len(text) && (text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z' || text[i] == '_')
}

func isPlus(text string, i int) bool { return i >= 0 && text[i] == '+' }

// Digits are the digits 0 to 9 of a text.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// automaton finds digits in a text by reading it once: it knows how many of them the
// text read so far ends with.
func automaton(digits string) [][10]uint8 {
	next := make([][10]uint8, len(digits)+1)
	shorter := uint8(0) // where it would be without the first digit
	for i := range next {
		if i > 0 {
			next[i] = next[shorter]
		}
		if i < len(digits) {
			next[i][digits[i]-'0'] = uint8(i + 1) //nolint:gosec // short
			if i > 0 {
				shorter = next[shorter][digits[i]-'0']
			}
		}
	}
	return next
}
