package simulate

import "time"

// casting decides who tells which call and what is wrong with it. Shares are
// kept by dealing, not by luck, so that a short demonstration shows every
// provider and many kinds of bad calls.
type casting struct {
	chance
	plan    *plan
	sources deck[*source]
	faults  deck[fault]
	owed    float64        // bad calls owed
	badBy   map[string]int // bad calls by provider
}

// firstOwed makes one of the first calls a bad one.
const firstOwed = 0.7

func (p *plan) casting() *casting {
	c := &casting{chance: seeded(p.seed, 0), plan: p, owed: firstOwed, badBy: map[string]int{}}
	c.sources = deck[*source]{chance: c.chance}
	for i := range p.sources {
		for range p.sources[i].weight {
			c.sources.cards = append(c.sources.cards, &p.sources[i])
		}
	}
	c.Shuffle(len(c.sources.cards), func(i, j int) {
		cards := c.sources.cards
		cards[i], cards[j] = cards[j], cards[i]
	})
	c.faults = deck[fault]{chance: c.chance, cards: append([]fault(nil), p.faults...)}
	return c
}

// role is one call to come: who tells it and what is wrong.
type role struct {
	teller
	fault fault
}

func (c *casting) next() role {
	if c.owed += c.plan.bad; c.owed >= 1 {
		c.owed--
		f := c.faults.deal()
		t := c.weighted(c.leastBad(f))
		c.badBy[t.source.name]++
		return role{t, f}
	}
	return role{c.weighted(c.plan.tellersOf(c.sources.deal(), none)), none}
}

// leastBad are the forms, of one of the providers that had the fewest bad calls,
// that can tell of the fault.
func (c *casting) leastBad(f fault) []teller {
	all := c.plan.tellers(f)
	c.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	best := all[0].source
	for _, t := range all {
		if c.badBy[t.source.name] < c.badBy[best.name] {
			best = t.source
		}
	}
	return c.plan.tellersOf(best, f)
}

func (c *casting) weighted(from []teller) teller {
	total := 0
	for _, t := range from {
		total += t.form.weight
	}
	n := c.IntN(total)
	for _, t := range from {
		if n -= t.form.weight; n < 0 {
			return t
		}
	}
	return from[len(from)-1]
}

const (
	retryShare    = 0.03
	disorderShare = 0.03
)

// requests tells call number i, which begins to be told at the given time.
func (r role) requests(p *plan, i int, at time.Duration) []Request {
	c := seeded(p.seed, uint64(i)+1)
	span := seconds(c.between(0.8, 3.5))
	if r.fault == growingLoss {
		span = seconds(c.between(4, 6)) // time to watch it grow
	}
	n := &narrator{
		story: newStory(c, r.fault, p.start.Add(at+span)), source: r.source.name, form: r.form.name,
		keys: p.secrets.Send[r.source.name], proof: r.form.proof, at: at, span: span,
	}
	r.form.tell(n)
	return n.disturb()
}

// disturb repeats some of the requests and lets the next one overtake some, as
// networks do.
func (n *narrator) disturb() []Request {
	out := n.requests
	for i := 1; i < len(out); i++ {
		if n.odds(disorderShare) {
			out[i-1].At = out[i].At + seconds(n.between(0.05, 0.5))
			out[i-1].Note += ", late"
		}
	}
	for i := range n.requests {
		if n.odds(retryShare) {
			out = append(out, out[i].again(seconds(n.between(0.3, 2))))
		}
	}
	if n.fault == hostile {
		out = append(out, n.attacks(out)...)
	}
	return out
}
