package access

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how often an address may show a wrong token: Tries at once, then one more
// each Pause.
type Limit struct {
	Tries int
	Pause time.Duration
}

// Limits of the routes that check tokens: of programs, which may show a token that was
// changed for a while, and of the page on which people type one.
var (
	ProgramLimit = Limit{Tries: 60, Pause: 2 * time.Second}
	LoginLimit   = Limit{Tries: 5, Pause: 10 * time.Second}
)

// maxGuessers bounds the addresses that are remembered. When there are more, those
// that guess share one limit.
const maxGuessers = 10_000

// Guesses counts wrong tokens by address. A right token is never counted: behind the
// address of a proxy it may be beside a guesser's.
type Guesses struct {
	mu sync.Mutex
	by map[guesser]*rate.Limiter
}

// guesser is an address, of IPv6 its network of 64 bits, and where it guesses.
type guesser struct {
	limit   Limit
	address string
}

// Wrong counts a wrong token and says whether the address showed too many.
func (g *Guesses) Wrong(address string, l Limit, now time.Time) (tooMany bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[guesser]*rate.Limiter{}
	}
	who := guesser{l, network(address)}
	if g.by[who] == nil && len(g.by) >= maxGuessers {
		maps.DeleteFunc(g.by, func(of guesser, b *rate.Limiter) bool { return b.TokensAt(now) >= float64(of.limit.Tries) })
		if len(g.by) >= maxGuessers {
			who.address = ""
		}
	}
	bucket := g.by[who]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Every(l.Pause), l.Tries)
		g.by[who] = bucket
	}
	return !bucket.AllowN(now, 1)
}

func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
