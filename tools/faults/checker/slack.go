package checker

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callwatch/notifier/slackfake"
)

// SlackFaults are what goes wrong with Slack from now on.
type SlackFaults struct {
	Seed     uint64
	Share    float64 // of the calls that fail in one of the ways that pass by themselves
	Hang     float64 // of the calls that are not answered within the client's time
	Slow     time.Duration
	Down     bool   // no call gets an answer
	Revoked  string // error for each call
	Archived bool   // the channel is
}

// outage is the state of the fake Slack.
type outage struct {
	mu    sync.Mutex
	now   SlackFaults
	dice  *rand.Rand
	kinds []slackfake.Fault
	posts int // that failed: they fail in one way after the other, so that each way occurs
}

func newOutage() *outage {
	return &outage{dice: rand.New(rand.NewPCG(1, 1)), kinds: []slackfake.Fault{
		{Cut: true, Commit: true},
		{Status: http.StatusTooManyRequests, RetryAfter: 1},
		{Status: http.StatusBadGateway, Commit: true},
		{Status: http.StatusTooManyRequests},
		{Status: http.StatusInternalServerError},
		{Cut: true},
		{Error: "internal_error"},
		{Error: "fatal_error", Commit: true},
		{Error: "ratelimited"},
	}}
}

func (o *outage) set(f SlackFaults, s *slackfake.Server) error {
	o.mu.Lock()
	o.now, o.dice = f, rand.New(rand.NewPCG(f.Seed, f.Seed))
	o.mu.Unlock()
	s.Revoke(f.Revoked)
	s.Archive("#voice", f.Archived)
	return nil
}

func (o *outage) fault(c slackfake.Call) slackfake.Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	const longer = 11 * time.Second // than the client waits
	switch x := o.dice.Float64(); {
	case o.now.Down:
		return slackfake.Fault{Cut: true}
	case x < o.now.Hang:
		return slackfake.Fault{Hang: longer, Commit: o.dice.IntN(2) == 0}
	case x < o.now.Hang+o.now.Share && c.Method == "chat.postMessage":
		o.posts++
		return o.kinds[(o.posts-1)%len(o.kinds)]
	case x < o.now.Hang+o.now.Share:
		return o.kinds[o.dice.IntN(len(o.kinds))]
	default:
		return slackfake.Fault{Hang: o.now.Slow, Commit: true}
	}
}

// Posts is how Slack was called.
type Posts struct {
	Calls, Posted  int // requests, and those of them that made a message
	Unclear        int // messages made by requests that were answered with an error, or not at all
	Roots, Replies int
	Storms, Listed int // threads about storms, and the incidents they list
	Densest        int // most messages made within any ten seconds
}

var stormTitle = regexp.MustCompile(`Storm(?: over)?: ([\d,]+) incident`)

func (l *ledger) posts() *Posts {
	var p Posts
	var at []time.Time
	for _, c := range l.slack.Calls() {
		if p.Calls++; c.Committed != "" {
			at = append(at, c.At)
			if f := c.Fault; f.Cut || f.Status != 0 || f.Error != "" {
				p.Unclear++
			}
		}
	}
	p.Posted = len(at)
	for _, th := range l.slack.Threads() {
		p.Roots++
		p.Replies += len(th.Replies)
		if m := stormTitle.FindStringSubmatch(th.Root.Shown); m != nil {
			n, _ := strconv.Atoi(strings.ReplaceAll(m[1], ",", "")) // digits
			p.Storms, p.Listed = p.Storms+1, p.Listed+n
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= 10*time.Second {
			first++
		}
		p.Densest = max(p.Densest, i-first+1)
	}
	return &p
}
