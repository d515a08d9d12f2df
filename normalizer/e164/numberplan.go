package e164

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// regionOf tells the region of a number in E.164, given as its digits, that is
// of a possible length and begins with no national prefix: the library would
// keep its digits as they are. It is what the library does, and with its data,
// but for numbers that need no reading; false leaves the number to the library.
func regionOf(digits string) (region string, ok bool) {
	for n := 1; n <= 3 && n < len(digits); n++ {
		if plan, known := numberPlans()[digits[:n]]; known {
			p := plan()
			if p == nil || !p.keeps(digits[n:]) {
				return "", false
			}
			return p.region(digits[n:]), true
		}
	}
	return "", false
}

// numberPlan is what is known of the national numbers behind one calling code.
type numberPlan struct {
	lengths []int32 // possible ones
	general digits
	// prefix begins a number dialled within the country. What it catches in its
	// last group may be put elsewhere in the number (moves).
	prefix *regexp.Regexp
	plain  string // all of prefix, where it is nothing but digits
	moves  bool
	// regions share the calling code; the first that has the number counts.
	regions []numberRegion
}

type numberRegion struct {
	name    string
	leading digits // decides alone, where there is one
	general numberKind
	kinds   []numberKind
}

// numberKind is one kind of numbers, such as mobile ones.
type numberKind struct {
	lengths []int32 // possible ones; none: any
	pattern digits
}

func (k *numberKind) has(national string) bool {
	return (len(k.lengths) == 0 || slices.Contains(k.lengths, int32(len(national)))) && k.pattern.matches(national)
}

// keeps says whether a national number is of a possible length and has no
// national prefix that the library would take off.
func (p *numberPlan) keeps(national string) bool {
	if len(national) < phonenumbers.MIN_LENGTH_FOR_NSN || !slices.Contains(p.lengths, int32(len(national))) {
		return false
	}
	if p.prefix == nil || p.plain != "" && !strings.HasPrefix(national, p.plain) {
		return true
	}
	groups := p.prefix.FindStringSubmatchIndex(national)
	if groups == nil || groups[1] == 0 && !p.moves {
		return true
	}
	if p.moves && groups[len(groups)-2] >= 0 {
		return false
	}
	return groups[1] == 0 || p.general.matches(national) && !p.general.matches(national[groups[1]:])
}

func (p *numberPlan) region(national string) string {
	if len(p.regions) == 1 {
		return p.regions[0].name
	}
	for i := range p.regions {
		if p.regions[i].has(national) {
			return p.regions[i].name
		}
	}
	return ""
}

func (r *numberRegion) has(national string) bool {
	if r.leading != nil {
		return r.leading.begins(national)
	}
	return r.general.has(national) && slices.ContainsFunc(r.kinds, func(k numberKind) bool { return k.has(national) })
}

// numberPlans are the plans by calling code, each made when it is first needed:
// most calls are to a few countries.
var numberPlans = sync.OnceValue(func() map[string]func() *numberPlan {
	plans := map[string]func() *numberPlan{}
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return plans
	}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		var known []*phonenumbers.PhoneMetadata
		regions := phonenumbers.GetRegionCodesForCountryCode(code)
		for _, region := range regions {
			i := slices.IndexFunc(all.GetMetadata(), func(m *phonenumbers.PhoneMetadata) bool {
				return m.GetId() == region && int(m.GetCountryCode()) == code
			})
			if i >= 0 {
				known = append(known, all.GetMetadata()[i])
			}
		}
		if len(known) == len(regions) && len(known) > 0 {
			plans[strconv.Itoa(code)] = sync.OnceValue(func() *numberPlan { return newNumberPlan(known) })
		}
	}
	return plans
})

// newNumberPlan is nil for a plan that is not understood.
func newNumberPlan(regions []*phonenumbers.PhoneMetadata) *numberPlan {
	first := regions[0]
	p := &numberPlan{moves: first.GetNationalPrefixTransformRule() != ""}
	general, ok := newNumberKind(first.GetGeneralDesc())
	if !ok || len(general.lengths) == 0 || general.lengths[0] < 0 {
		return nil
	}
	p.general = general.pattern
	p.lengths = slices.Concat(general.lengths, first.GetGeneralDesc().GetPossibleLengthLocalOnly())
	if prefix := first.GetNationalPrefixForParsing(); prefix != "" {
		p.prefix = regexp.MustCompile("^(?:" + prefix + ")")
		if strings.Trim(prefix, "0123456789") == "" {
			p.plain = prefix
		}
	}
	for _, m := range regions {
		r := numberRegion{name: m.GetId()}
		if len(regions) == 1 {
			// nothing to tell apart
		} else if leading := m.GetLeadingDigits(); leading != "" {
			var err error
			if r.leading, err = compileDigits(leading); err != nil {
				return nil
			}
		} else if !r.fill(m) {
			return nil
		}
		p.regions = append(p.regions, r)
	}
	return p
}

func (r *numberRegion) fill(m *phonenumbers.PhoneMetadata) bool {
	var ok bool
	if r.general, ok = newNumberKind(m.GetGeneralDesc()); !ok {
		return false
	}
	for _, desc := range []*phonenumbers.PhoneNumberDesc{
		m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetVoip(), m.GetPremiumRate(), m.GetSharedCost(),
		m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
	} {
		kind, ok := newNumberKind(desc)
		if !ok {
			return false
		}
		if desc.GetNationalNumberPattern() != "" {
			r.kinds = append(r.kinds, kind)
		}
	}
	return true
}

func newNumberKind(desc *phonenumbers.PhoneNumberDesc) (numberKind, bool) {
	pattern, err := compileDigits(desc.GetNationalNumberPattern())
	return numberKind{desc.GetPossibleLength(), pattern}, err == nil
}
