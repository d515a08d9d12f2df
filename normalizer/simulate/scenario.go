package simulate

// Scenario is a mixture of calls.
type Scenario struct {
	Name string
	Doc  string  // one sentence
	Bad  float64 // share of bad calls, 0..1, unless the options say another

	faults []Fault // what bad calls suffer from, one after the other
}

// Scenarios are all scenarios, the default one first.
func Scenarios() []Scenario {
	return []Scenario{
		{"mixed", "mostly good calls of every provider, and bad ones of every kind in turn", 0.05, []Fault{
			GrowingLoss, LowMOS, Unreachable, AgentSlow, Loss, OneWay, AgentError, SlowSetup, Congestion,
		}},
		{"good", "nothing is wrong with any call", 0, nil},
		{"packet-loss", "WebRTC reports flushed during the call whose packet loss grows", 0.3, []Fault{GrowingLoss}},
		{"low-mos", "calls with a MOS of about 3", 0.3, []Fault{LowMOS}},
		{"one-way-audio", "answered calls of which one side hears nothing", 0.3, []Fault{OneWay}},
		{"call-failures", "outbound calls that end with SIP 503 or 408", 0.4, []Fault{Unreachable}},
		{"slow-setup", "calls that ring and are answered late", 0.4, []Fault{SlowSetup}},
		{"agent-slow", "voice agents that take seconds to answer", 0.4, []Fault{AgentSlow}},
		{"agent-errors", "voice agents whose model or speech fails", 0.4, []Fault{AgentError}},
		{"storm", "nine calls of ten are bad, all at once and in every way", 0.9, []Fault{
			LowMOS, Unreachable, Loss, OneWay, AgentSlow, Congestion, AgentError, SlowSetup, GrowingLoss,
		}},
		{"hostile", "markup, control characters, huge and deep bodies, broken and forged ones", 0.5, []Fault{hostile}},
	}
}

func findScenario(name string) (Scenario, bool) {
	for _, s := range Scenarios() {
		if s.Name == name || name == "" {
			return s, true
		}
	}
	return Scenario{}, false
}
