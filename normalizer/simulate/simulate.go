// Package simulate makes realistic webhooks of every provider, signed as the
// provider would sign them, for demonstrations, load and test data.
package simulate

import (
	"container/heap"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"
)

// Options choose the traffic. The same options give the same traffic.
type Options struct {
	Seed      uint64
	Sources   Sources   `json:"-"` // the providers that can be simulated
	Providers []string  // none: all of Sources that Secrets can sign for
	Count     int       // calls; 0: without end
	Rate      float64   // calls per second; 0: 5
	Bad       *float64  // share of bad calls, 0..1; nil: the scenario's
	Scenario  string    // "": the first of Scenarios
	Start     time.Time // when the traffic begins; the times in the bodies follow from it
	Secrets   Secrets
	Episodes  []Episode // in which one region of a provider is bad
}

// Episode is a time in which many calls of one provider are bad, all in one region.
type Episode struct {
	Provider, Region string
	From, To         time.Duration // since the start of the traffic
	Fault            Fault
	Share            float64 // of the provider's calls, 0..1
}

const defaultRate = 5

// Traffic is the traffic of the options, in the order of Request.At. Calls
// overlap, a few requests come twice, a few in the wrong order. What a body says
// has happened lies before Start + At.
//
// The error says which option cannot be met: an unknown name, a provider without
// keys to sign with, bad calls that none of the providers can report.
func Traffic(o Options) (iter.Seq[Request], error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	return func(yield func(Request) bool) {
		casting := p.scheduler()
		var waiting queue
		for i := 0; p.count == 0 || i < p.count; i++ {
			at := time.Duration(float64(i) / p.rate * float64(time.Second))
			for len(waiting) > 0 && waiting[0].At <= at {
				if !yield(heap.Pop(&waiting).(Request)) {
					return
				}
			}
			for _, r := range casting.next().during(p, casting.Rand, at).requests(p, i, at) {
				heap.Push(&waiting, r)
			}
		}
		for len(waiting) > 0 {
			if !yield(heap.Pop(&waiting).(Request)) {
				return
			}
		}
	}, nil
}

// plan is the result of the options.
type plan struct {
	seed    uint64
	count   int
	rate    float64
	bad     float64
	start   time.Time
	secrets Secrets
	sources []Source
	faults  []Fault // those that the sources can show

	episodes []Episode
}

func newPlan(o Options) (*plan, error) {
	scenario, ok := findScenario(o.Scenario)
	if !ok {
		return nil, fmt.Errorf("unknown scenario %q, want one of %s", o.Scenario, scenarioNames())
	}
	p := &plan{
		seed: o.Seed, count: o.Count, rate: o.Rate, bad: scenario.Bad,
		start: o.Start.UTC().Truncate(time.Millisecond), secrets: o.Secrets, episodes: o.Episodes,
	}
	if p.rate == 0 {
		p.rate = defaultRate
	}
	if p.rate < 0 || math.IsNaN(p.rate) || math.IsInf(p.rate, 0) {
		return nil, fmt.Errorf("rate %v is not a number of calls per second", o.Rate)
	}
	if o.Bad != nil && len(scenario.faults) > 0 {
		p.bad = *o.Bad
	}
	if !(p.bad >= 0 && p.bad <= 1) {
		return nil, fmt.Errorf("share of bad calls %v is not within 0..1", p.bad)
	}
	if err := p.chooseSources(o.Sources, o.Providers); err != nil {
		return nil, err
	}
	for _, f := range scenario.faults {
		if len(p.variants(f)) > 0 {
			p.faults = append(p.faults, f)
		}
	}
	if p.bad > 0 && len(p.faults) == 0 {
		return nil, fmt.Errorf("scenario %s: none of %s can report it", scenario.Name, p.names())
	}
	return p, nil
}

func (p *plan) chooseSources(known Sources, names []string) error {
	var missing []string
	all := len(names) == 0
	if all {
		names = known.Names()
	}
	for _, name := range names {
		src, ok := known.find(name)
		if !ok {
			return fmt.Errorf("unknown provider %q, want one of %s", name, strings.Join(known.Names(), ", "))
		}
		if err := known.Sendable(p.secrets, name); err != nil {
			if !all {
				return err
			}
			missing = append(missing, err.Error())
			continue
		}
		p.sources = append(p.sources, src)
	}
	if len(p.sources) == 0 {
		return fmt.Errorf("no provider to simulate: %s", strings.Join(missing, "; "))
	}
	return nil
}

func (p *plan) names() string {
	var names []string
	for _, s := range p.sources {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func scenarioNames() string {
	var names []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// variant is a form of a source that can be signed for.
type variant struct {
	source *Source
	form   *Form
}

// variants can report the fault.
func (p *plan) variants(f Fault) []variant {
	var out []variant
	for i := range p.sources {
		out = append(out, p.variantsOf(&p.sources[i], f)...)
	}
	return out
}

func (p *plan) variantsOf(src *Source, f Fault) []variant {
	var out []variant
	for i := range src.Forms {
		form := &src.Forms[i]
		if _, _, ok := form.Proof.choose(p.secrets.Send[src.Name]); ok && form.CanShow(f) {
			out = append(out, variant{src, form})
		}
	}
	return out
}

// queue orders requests by the time to send them.
type queue []Request

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].At < q[j].At }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(Request)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last] = Request{}
	*q = (*q)[:last]
	return r
}
