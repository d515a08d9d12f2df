package simulate

import (
	"math"
	"time"

	"callwatch/call"
)

// fault is what is wrong with a call.
type fault string

const (
	none        fault = ""
	loss        fault = "packet loss"
	growingLoss fault = "packet loss that grows during the call"
	congestion  fault = "long round trips and high jitter"
	lowMOS      fault = "low MOS"
	oneWay      fault = "audio in one direction only"
	unreachable fault = "SIP 503 or 408"
	slowSetup   fault = "slow call setup"
	agentSlow   fault = "slow agent turns"
	agentError  fault = "agent errors"
	hostile     fault = "hostile input"
)

// story is what happens in one call, before a provider tells it.
type story struct {
	chance
	fault      fault
	outbound   bool
	outcome    string // call.Completed, call.Busy, call.NoAnswer, call.Canceled, call.Failed
	sip        int    // final SIP response
	from, to   string
	callerName string
	codec      string // as in SDP: PCMU, opus
	agent      agent

	started, ringing, answered, ended time.Time // answered is zero where nobody did
	path                              path
	turns                             []turn
}

type agent struct{ id, name string }

// path is how the network treats the call's audio over its life.
type path struct {
	lossPct, jitterMs, rttMs float64
	grows                    bool // from nothing to twice the mean loss
}

// lossAt is the share of packets lost in percent at a point 0..1 of the call.
func (p path) lossAt(at float64) float64 {
	if !p.grows {
		return p.lossPct
	}
	return 2 * p.lossPct * at
}

// turn is one exchange with a voice agent.
type turn struct {
	user, agent           string
	sttMs, llmMs, ttsMs   float64
	userEnds, agentStarts time.Time
}

func (t *turn) latencyMs() float64 { return t.sttMs + t.llmMs + t.ttsMs }

// newStory makes up a call with the given fault that ends at the given time.
func newStory(c chance, f fault, ended time.Time) *story {
	s := &story{chance: c, fault: f, outbound: c.odds(0.6), ended: ended, outcome: call.Completed, sip: 200}
	s.from, s.to = c.number(), c.number()
	s.callerName = c.pick("Ada Example", "Example Bakery", "Support", "Grace Example", "")
	s.codec = c.pick("PCMU", "PCMU", "PCMA", "opus")
	s.agent = agents()[c.IntN(len(agents()))]
	s.path = path{lossPct: c.between(0, 0.2), jitterMs: c.between(1, 9), rttMs: c.between(25, 110)}
	s.decideOutcome()
	s.setTimes()
	s.spoil()
	if !s.answered.IsZero() {
		s.talk()
	}
	return s
}

func agents() []agent {
	return []agent{
		{"69fc7dd0a11e0c1d28d90001", "Appointment reminder"},
		{"69fc7dd0a11e0c1d28d90002", "Order status"},
		{"69fc7dd0a11e0c1d28d90003", "Front desk"},
	}
}

// decideOutcome lets a few good calls stay unanswered, as people do.
func (s *story) decideOutcome() {
	if s.fault == unreachable {
		s.outcome, s.outbound = call.Failed, true
		s.sip = 503
		if s.odds(0.4) {
			s.sip = 408
		}
		return
	}
	if s.fault != none || !s.outbound {
		return
	}
	switch p := s.Float64(); {
	case p < 0.06:
		s.outcome, s.sip = call.Busy, 486
	case p < 0.13:
		s.outcome, s.sip = call.NoAnswer, 480
	case p < 0.16:
		s.outcome, s.sip = call.Canceled, 487
	}
}

func (s *story) setTimes() {
	dial, ring, talk := s.between(0.3, 1.8), s.between(1.2, 5.5), 20+s.ExpFloat64()*50
	switch s.fault {
	case slowSetup:
		dial, ring = s.between(7.5, 10), s.between(24, 31)
	case growingLoss:
		talk = s.between(170, 240)
	case none:
	default:
		talk += 25
	}
	switch {
	case s.sip == 503:
		dial, ring, talk = s.between(0.2, 1), 0, 0
	case s.sip == 408:
		dial, ring, talk = 32, 0, 0 // the INVITE's own timer
	case s.outcome == call.Busy:
		ring, talk = 0, 0
	case s.outcome == call.NoAnswer:
		ring, talk = 30, 0
	case s.outcome != call.Completed:
		talk = 0
	}
	talk = min(talk, 280)
	if s.outcome == call.Completed {
		s.answered = s.ended.Add(-seconds(talk))
	}
	s.started = s.ended.Add(-seconds(dial + ring + talk))
	if ring > 0 {
		s.ringing = s.started.Add(seconds(dial))
	}
}

// spoil gives the network of a bad call its fault.
func (s *story) spoil() {
	switch s.fault {
	case loss:
		s.path.lossPct = s.between(6, 9)
	case growingLoss:
		s.path.lossPct, s.path.grows = s.between(5, 8), true
	case congestion:
		s.path.rttMs, s.path.jitterMs = s.between(620, 900), s.between(45, 70)
	case lowMOS, hostile: // so that hostile texts get into alerts
		s.path.lossPct, s.path.jitterMs = s.between(12, 16), s.between(15, 35)
	}
}

// agentFails says whether the voice agent's model or speech fails.
func (s *story) agentFails() bool { return s.fault == agentError || s.fault == hostile }

func (s *story) talkTime() time.Duration {
	if s.answered.IsZero() {
		return 0
	}
	return s.ended.Sub(s.answered)
}

// talk makes up what was said. A slow agent is slow in every turn.
func (s *story) talk() {
	lines := script()
	n := min(max(2, int(s.talkTime().Seconds()/12)), len(lines))
	step := s.talkTime() / time.Duration(n)
	for i, line := range lines[:n] {
		t := turn{
			user: line[0], agent: line[1],
			sttMs: s.between(60, 130), llmMs: s.between(220, 420), ttsMs: s.between(80, 180),
		}
		if s.fault == agentSlow {
			t.llmMs = s.between(2200, 3900)
		}
		t.userEnds = s.answered.Add(step*time.Duration(i) + time.Second)
		t.agentStarts = t.userEnds.Add(seconds(t.latencyMs() / 1000))
		s.turns = append(s.turns, t)
	}
}

func script() [][2]string {
	return [][2]string{
		{"Hello?", "Hello, this is the assistant of Example Clinic. How can I help?"},
		{"I would like to move my appointment.", "Of course. Which day suits you?"},
		{"Thursday, if there is room.", "There is a place on Thursday at ten."},
		{"Ten is a little early.", "Then I can offer half past two."},
		{"That works.", "Half past two on Thursday it is."},
		{"Do I need to bring anything?", "Your insurance card, please."},
		{"Fine.", "Is there anything else?"},
		{"No, thank you.", "Then goodbye, and until Thursday."},
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Truncate(time.Millisecond)
}

func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
