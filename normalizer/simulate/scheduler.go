package simulate

import "time"

// scheduler decides which provider reports each call and what is wrong with it. It goes
// through shuffled lists, so that a short demonstration shows every provider and many
// kinds of bad calls.
type scheduler struct {
	Rand
	plan    *plan
	sources rotation[*Source]
	faults  rotation[Fault]
	owed    float64        // bad calls owed
	badBy   map[string]int // bad calls by provider
}

// firstOwed makes one of the first calls a bad one.
const firstOwed = 0.7

func (p *plan) scheduler() *scheduler {
	c := &scheduler{Rand: NewRand(p.seed, 0), plan: p, owed: firstOwed, badBy: map[string]int{}}
	c.sources = rotation[*Source]{Rand: c.Rand}
	for i := range p.sources {
		for range p.sources[i].Weight {
			c.sources.items = append(c.sources.items, &p.sources[i])
		}
	}
	c.Shuffle(len(c.sources.items), func(i, j int) {
		items := c.sources.items
		items[i], items[j] = items[j], items[i]
	})
	c.faults = rotation[Fault]{Rand: c.Rand, items: append([]Fault(nil), p.faults...)}
	return c
}

// scheduledCall is one call to come: who reports it and what is wrong.
type scheduledCall struct {
	variant
	fault  Fault
	region string // "": as the form chooses
}

// during is the call as it is in the episodes of its time.
func (r scheduledCall) during(p *plan, c Rand, at time.Duration) scheduledCall {
	for _, e := range p.episodes {
		if e.Provider != r.source.Name || at < e.From || at >= e.To || !c.Odds(e.Share) {
			continue
		}
		if able := p.variantsOf(r.source, e.Fault); len(able) > 0 {
			return scheduledCall{able[c.IntN(len(able))], e.Fault, e.Region}
		}
	}
	return r
}

func (c *scheduler) next() scheduledCall {
	if c.owed += c.plan.bad; c.owed >= 1 {
		c.owed--
		f := c.faults.next()
		t := c.weighted(c.leastBad(f))
		c.badBy[t.source.Name]++
		return scheduledCall{variant: t, fault: f}
	}
	return scheduledCall{variant: c.weighted(c.plan.variantsOf(c.sources.next(), None))}
}

// leastBad are the forms, of one of the providers that had the fewest bad calls,
// that can report the fault.
func (c *scheduler) leastBad(f Fault) []variant {
	all := c.plan.variants(f)
	c.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	best := all[0].source
	for _, t := range all {
		if c.badBy[t.source.Name] < c.badBy[best.Name] {
			best = t.source
		}
	}
	return c.plan.variantsOf(best, f)
}

func (c *scheduler) weighted(from []variant) variant {
	total := 0
	for _, t := range from {
		total += t.form.Weight
	}
	n := c.IntN(total)
	for _, t := range from {
		if n -= t.form.Weight; n < 0 {
			return t
		}
	}
	return from[len(from)-1]
}

const (
	retryShare    = 0.03
	disorderShare = 0.03
)

// requests are the webhooks of call number i, the first at the given time.
func (r scheduledCall) requests(p *plan, i int, at time.Duration) []Request {
	c := NewRand(p.seed, uint64(i)+1)
	span := Seconds(c.Between(0.8, 3.5))
	if r.fault == GrowingLoss {
		span = Seconds(c.Between(4, 6)) // time to watch it grow
	}
	n := &Renderer{
		Call: NewCall(c, r.fault, p.start.Add(at+span)), Source: r.source.Name, Form: r.form.Name,
		Keys: p.secrets.Send[r.source.Name], Proof: r.form.Proof, at: at, Span: span,
	}
	n.Region = r.region
	r.form.Render(n)
	return n.disturb()
}

// disturb repeats some of the requests and lets the next one overtake some, as
// networks do.
func (n *Renderer) disturb() []Request {
	out := n.Requests
	for i := 1; i < len(out); i++ {
		if n.Odds(disorderShare) {
			out[i-1].At = out[i].At + Seconds(n.Between(0.05, 0.5))
			out[i-1].Note += ", late"
		}
	}
	for i := range n.Requests {
		if n.Odds(retryShare) {
			out = append(out, out[i].again(Seconds(n.Between(0.3, 2))))
		}
	}
	if n.Fault == hostile {
		out = append(out, n.attacks(out)...)
	}
	return out
}
