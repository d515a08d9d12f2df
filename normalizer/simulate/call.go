package simulate

import (
	"math"
	"time"

	"callwatch/call"
)

// Fault is what is wrong with a call.
type Fault string

const (
	None        Fault = ""
	Loss        Fault = "packet loss"
	GrowingLoss Fault = "packet loss that grows during the call"
	Congestion  Fault = "long round trips and high jitter"
	LowMOS      Fault = "low MOS"
	OneWay      Fault = "audio in one direction only"
	Unreachable Fault = "SIP 503 or 408"
	SlowSetup   Fault = "slow call setup"
	AgentSlow   Fault = "slow agent turns"
	AgentError  Fault = "agent errors"
	hostile     Fault = "hostile input"
)

// Call is what happens in one call, before a provider tells it.
type Call struct {
	Rand
	Fault      Fault
	Outbound   bool
	Outcome    string // call.Completed, call.Busy, call.NoAnswer, call.Canceled, call.Failed
	SIPCode    int    // final SIP response
	From, To   string
	CallerName string
	Codec      string // as in SDP: PCMU, opus
	Agent      agent
	Region     string // "": one of those that the form knows

	Started, Ringing, Answered, Ended time.Time // Answered is zero where nobody did
	Path                              path
	Turns                             []Turn
}

type agent struct{ ID, Name string }

// Path is how the network treats the call's audio over its life.
type path struct {
	LossPct, JitterMs, RTTMs float64
	grows                    bool // From nothing to twice the mean loss
}

// LossAt is the share of packets lost in percent at a point 0..1 of the call.
func (p path) LossAt(at float64) float64 {
	if !p.grows {
		return p.LossPct
	}
	return 2 * p.LossPct * at
}

// Turn is one exchange with a voice agent.
type Turn struct {
	User, Agent           string
	STTMs, LLMMs, TTSMs   float64
	UserEnds, AgentStarts time.Time
}

func (t *Turn) LatencyMs() float64 { return t.STTMs + t.LLMMs + t.TTSMs }

// NewCall makes up a call with the given fault that ends at the given time.
func NewCall(c Rand, f Fault, ended time.Time) *Call {
	s := &Call{Rand: c, Fault: f, Outbound: c.Odds(0.6), Ended: ended, Outcome: call.Completed, SIPCode: 200}
	s.From, s.To = c.number(), c.number()
	s.CallerName = c.Pick("Ada Example", "Example Bakery", "Support", "Grace Example", "")
	s.Codec = c.Pick("PCMU", "PCMU", "PCMA", "opus")
	s.Agent = agents()[c.IntN(len(agents()))]
	s.Path = path{LossPct: c.Between(0, 0.2), JitterMs: c.Between(1, 9), RTTMs: c.Between(25, 110)}
	s.decideOutcome()
	s.setTimes()
	s.applyFault()
	if !s.Answered.IsZero() {
		s.addTurns()
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
func (s *Call) decideOutcome() {
	if s.Fault == Unreachable {
		s.Outcome, s.Outbound = call.Failed, true
		s.SIPCode = 503
		if s.Odds(0.4) {
			s.SIPCode = 408
		}
		return
	}
	if s.Fault != None || !s.Outbound {
		return
	}
	switch p := s.Float64(); {
	case p < 0.06:
		s.Outcome, s.SIPCode = call.Busy, 486
	case p < 0.13:
		s.Outcome, s.SIPCode = call.NoAnswer, 480
	case p < 0.16:
		s.Outcome, s.SIPCode = call.Canceled, 487
	}
}

func (s *Call) setTimes() {
	dial, ring, talk := s.Between(0.3, 1.8), s.Between(1.2, 5.5), 20+s.ExpFloat64()*50
	switch s.Fault {
	case SlowSetup:
		dial, ring = s.Between(7.5, 10), s.Between(24, 31)
	case GrowingLoss:
		talk = s.Between(170, 240)
	case None:
	default:
		talk += 25
	}
	switch {
	case s.SIPCode == 503:
		dial, ring, talk = s.Between(0.2, 1), 0, 0
	case s.SIPCode == 408:
		dial, ring, talk = 32, 0, 0 // the INVITE's own timer
	case s.Outcome == call.Busy:
		ring, talk = 0, 0
	case s.Outcome == call.NoAnswer:
		ring, talk = 30, 0
	case s.Outcome != call.Completed:
		talk = 0
	}
	talk = min(talk, 280)
	if s.Outcome == call.Completed {
		s.Answered = s.Ended.Add(-Seconds(talk))
	}
	s.Started = s.Ended.Add(-Seconds(dial + ring + talk))
	if ring > 0 {
		s.Ringing = s.Started.Add(Seconds(dial))
	}
}

// applyFault gives the network of a bad call its fault.
func (s *Call) applyFault() {
	switch s.Fault {
	case Loss:
		s.Path.LossPct = s.Between(6, 9)
	case GrowingLoss:
		s.Path.LossPct, s.Path.grows = s.Between(5, 8), true
	case Congestion:
		s.Path.RTTMs, s.Path.JitterMs = s.Between(620, 900), s.Between(45, 70)
	case LowMOS, hostile: // so that hostile texts get into alerts
		s.Path.LossPct, s.Path.JitterMs = s.Between(12, 16), s.Between(15, 35)
	}
}

// AgentFails says whether the voice agent's model or speech fails.
func (s *Call) AgentFails() bool { return s.Fault == AgentError || s.Fault == hostile }

func (s *Call) TalkTime() time.Duration {
	if s.Answered.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Answered)
}

// addTurns makes up what was said. A slow agent is slow in every turn.
func (s *Call) addTurns() {
	lines := script()
	n := min(max(2, int(s.TalkTime().Seconds()/12)), len(lines))
	step := s.TalkTime() / time.Duration(n)
	for i, line := range lines[:n] {
		t := Turn{
			User: line[0], Agent: line[1],
			STTMs: s.Between(60, 130), LLMMs: s.Between(220, 420), TTSMs: s.Between(80, 180),
		}
		if s.Fault == AgentSlow {
			t.LLMMs = s.Between(2200, 3900)
		}
		t.UserEnds = s.Answered.Add(step*time.Duration(i) + time.Second)
		t.AgentStarts = t.UserEnds.Add(Seconds(t.LatencyMs() / 1000))
		s.Turns = append(s.Turns, t)
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

func Seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Truncate(time.Millisecond)
}

func Round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}

// InRegion is the region of the call, else one of those given.
func (s *Call) InRegion(of ...string) string {
	if s.Region != "" {
		return s.Region
	}
	return s.Pick(of...)
}
