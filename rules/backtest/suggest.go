package backtest

import (
	"cmp"
	"container/list"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"callwatch/call"
	"callwatch/rules"
)

// openCalls bounds the calls that a Suggest follows. A call counts as final once
// this many other calls had events after its last one.
const openCalls = 50_000

// maxGroups bounds the groups of a Suggest. Calls of further groups are omitted,
// and counted as such.
const maxGroups = 1000

// Suggest collects the final value of one field over stored calls.
type Suggest struct {
	field  call.Field
	by     []call.Field
	prefer call.Prefer
	open   map[call.Key]*list.Element
	recent list.List // of *call.Call, the latest changed first
	groups map[string]*group
	out    Suggestion
}

// group counts values rounded to four significant digits: exact enough to choose
// a threshold, and small for any number of calls.
type group struct {
	by     []rules.Label
	calls  int
	known  int
	counts map[float64]int
}

// NewSuggest returns a Suggest for a numeric field. Calls are grouped by the fields
// named in by, which must be texts, whole numbers or truth values.
func NewSuggest(field string, by []string, prefer call.Prefer) (*Suggest, error) {
	if prefer == "" {
		prefer = call.PreferProvider
	}
	s := &Suggest{prefer: prefer, open: map[call.Key]*list.Element{}, groups: map[string]*group{}}
	var ok bool
	if s.field, ok = call.Lookup(field); !ok {
		return nil, fmt.Errorf("there is no field %q%s", field, meant(field))
	}
	if s.field.Type != call.Number && s.field.Type != call.Integer {
		return nil, fmt.Errorf("%s is not a number (%s): it has no thresholds", field, s.field.Type)
	}
	for _, name := range by {
		f, ok := call.Lookup(name)
		if !ok {
			return nil, fmt.Errorf("there is no field %q to group by%s", name, meant(name))
		}
		if f.Type != call.Text && f.Type != call.Integer && f.Type != call.Bool {
			return nil, fmt.Errorf("calls cannot be grouped by %s (%s)", name, f.Type)
		}
		s.by = append(s.by, f)
	}
	s.out = Suggestion{Field: field, Unit: s.field.Unit, By: by}
	return s, nil
}

// meant returns a hint with the fields of which name is a prefix, or that are a
// prefix of it; "" if there are none.
func meant(name string) string {
	var like []string
	for _, f := range call.Fields() {
		known, asked := strings.ToLower(f.Name), strings.ToLower(name)
		if len(asked) >= 3 && (strings.HasPrefix(known, asked) || strings.HasPrefix(asked, known)) {
			like = append(like, f.Name)
		}
	}
	if len(like) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(like, " or ") + "?"
}

// Event applies an event to its call.
func (s *Suggest) Event(e *call.Event) {
	s.out.Events++
	k := e.Key()
	el := s.open[k]
	if el == nil {
		el = s.recent.PushFront(&call.Call{})
		s.open[k] = el
	}
	el.Value.(*call.Call).Fold(e, s.prefer)
	s.recent.MoveToFront(el)
	if s.recent.Len() > openCalls {
		s.close(s.recent.Back())
	}
}

// close counts the value of a call as final.
func (s *Suggest) close(el *list.Element) {
	c := s.recent.Remove(el).(*call.Call)
	delete(s.open, c.Key())
	labels := make([]rules.Label, len(s.by))
	for i := range s.by {
		labels[i] = rules.Label{Name: s.by[i].Name, Value: s.by[i].Format(&c.Event)}
	}
	s.out.Calls++
	g := s.groups[rules.JoinLabels(labels)]
	if g == nil {
		if len(s.groups) >= maxGroups {
			s.out.CallsOmitted++
			return
		}
		g = &group{by: labels, counts: map[float64]int{}}
		s.groups[rules.JoinLabels(labels)] = g
	}
	g.calls++
	if v, ok := s.field.Number(&c.Event); ok {
		g.known++
		g.counts[digits(v, 4)]++
	}
}

// digits rounds v to n significant digits.
func digits(v float64, n int) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	exponent := n - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	if exponent < 0 {
		unit := math.Pow10(-exponent)
		return math.Round(v/unit) * unit
	}
	unit := math.Pow10(exponent)
	return math.Round(v*unit) / unit
}

// Suggestion is the distribution of a field's final values over calls, and the
// share of calls that each of some thresholds would match.
type Suggestion struct {
	Field        string            `json:"field"`
	Unit         string            `json:"unit,omitempty"`
	By           []string          `json:"by,omitempty"`
	Events       int               `json:"events"`
	Calls        int               `json:"calls"`
	CallsOmitted int               `json:"callsOmitted,omitempty"` // of groups beyond the first 1000
	Groups       []SuggestionGroup `json:"groups"`                 // most calls first; one if calls are not grouped
}

// SuggestionGroup is the distribution over the calls of one group, to four
// significant digits.
type SuggestionGroup struct {
	By          []rules.Label `json:"by,omitempty"`
	Calls       int           `json:"calls"`
	Known       int           `json:"known"` // calls that report the field
	Percentiles []Percentile  `json:"percentiles"`
	Thresholds  []Threshold   `json:"thresholds"` // that match at most half of the calls
}

// Percentile is the smallest value that at least P percent of the calls do not
// exceed.
type Percentile struct {
	P     float64 `json:"p"` // 0..100
	Value float64 `json:"value"`
}

// Threshold is a condition and the calls it would match.
type Threshold struct {
	Condition string  `json:"condition"` // "mos < 3.5"
	Calls     int     `json:"calls"`
	Share     float64 `json:"share"` // 0..1, of the calls that report the field
}

var (
	percentiles = []float64{0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}
	tails       = []float64{0.1, 1, 5, 10, 25, 75, 90, 95, 99, 99.9}
)

// Report counts all calls as final and returns the result.
func (s *Suggest) Report() Suggestion {
	for s.recent.Len() > 0 {
		s.close(s.recent.Back())
	}
	s.out.Groups = []SuggestionGroup{}
	for _, g := range s.groups {
		s.out.Groups = append(s.out.Groups, g.report(s.field.Name))
	}
	slices.SortFunc(s.out.Groups, func(a, b SuggestionGroup) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(rules.JoinLabels(a.By), rules.JoinLabels(b.By)))
	})
	return s.out
}

func (g *group) report(field string) SuggestionGroup {
	out := SuggestionGroup{By: g.by, Calls: g.calls, Known: g.known, Percentiles: []Percentile{}, Thresholds: []Threshold{}}
	if g.known == 0 {
		return out
	}
	values := make([]float64, 0, len(g.counts))
	for v := range g.counts {
		values = append(values, v)
	}
	slices.Sort(values)
	for _, p := range percentiles {
		out.Percentiles = append(out.Percentiles, Percentile{p, g.percentile(values, p)})
	}
	for _, op := range []string{"<", ">"} {
		before := 0
		for _, limit := range g.limits(values) {
			n := g.beyond(values, op, limit)
			if n > 0 && n != before && 2*n <= g.known {
				out.Thresholds = append(out.Thresholds, Threshold{
					Condition: fmt.Sprintf("%s %s %s", field, op, strconv.FormatFloat(limit, 'f', -1, 64)), Calls: n, Share: float64(n) / float64(g.known),
				})
			}
			before = n
		}
	}
	return out
}

func (g *group) percentile(values []float64, p float64) float64 {
	rank := max(1, int(math.Ceil(p/100*float64(g.known)-1e-9)))
	for _, v := range values {
		if rank -= g.counts[v]; rank <= 0 {
			return v
		}
	}
	return values[len(values)-1]
}

// limits returns round numbers to try as thresholds, smallest first: percentiles
// near both ends, and even steps over the whole range.
func (g *group) limits(values []float64) []float64 {
	var out []float64
	for _, p := range tails {
		out = append(out, digits(g.percentile(values, p), 2))
	}
	least, most := values[0], values[len(values)-1]
	if step := digits((most-least)/limitSteps, 1); step > 0 {
		for n := math.Ceil(least / step); n*step <= most && len(out) < 3*limitSteps; n++ {
			out = append(out, digits(n*step, 3))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

const limitSteps = 8

// beyond counts the calls for which "value op limit" holds; op is < or >.
func (g *group) beyond(values []float64, op string, limit float64) int {
	n := 0
	for _, v := range values {
		if op == "<" && v < limit || op == ">" && v > limit {
			n += g.counts[v]
		}
	}
	return n
}
