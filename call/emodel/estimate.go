package emodel

// Estimate is the rating of one interval or call.
type Estimate struct {
	MOS            float64  // 1..4.5
	RFactor        float64  // 0..100
	Scope          string   // Listening or Conversational
	Grounding      string   // of the codec's values
	Missing        []string // inputs that were absent, by field name
	CodecRow       string
	LossPct        float64 // percent, 0..100
	LossBasis      string  // Concealment or Network
	OneWayDelayMs  *float64
	DelayBasis     string // Measured, FromJitter, AssumedDelay or NoDelay
	BurstRatioUsed float64
}

// Scopes of an estimate: without a round-trip time it says how the call could be
// heard, not how it could be held, and is too good to compare with one that has it.
const (
	Listening      = "listening"
	Conversational = "conversational"
)

// Where the loss of an estimate comes from.
const (
	Concealment = "concealment" // samples the receiver had to invent
	Network     = "network"     // packets lost or discarded
)

// Where the jitter buffer's share of the delay comes from.
const (
	Measured     = "measured"
	FromJitter   = "jitter"
	AssumedDelay = "assumed"
	NoDelay      = "none"
)

// Estimate rates what was received. Where nothing tells the loss it returns false,
// and of the result only Missing is set. It has no minimum of packets: intervals
// go through Intervals.
func (t Table) Estimate(in Input) (Estimate, bool) {
	return t.model(in.Codec).rate(&in)
}

// model is the E-model for one codec.
type model struct {
	row    string
	codec  Codec
	params Params
	fixed  fixed
	named  bool // the codec is known by a name
}

func (t Table) model(codec string) *model {
	m := &model{params: Defaults(), named: rowName(codec) != ""}
	m.row, m.codec = t.Codec(codec)
	m.params.Ie, m.params.Bpl = m.codec.Ie, m.codec.Bpl
	m.fixed = m.params.fixed()
	return m
}

func (m *model) rate(in *Input) (Estimate, bool) {
	loss, basis, ok := in.loss()
	if !ok {
		return Estimate{Missing: in.missing(m.named, false)}, false
	}
	e := Estimate{
		Scope: Listening, Grounding: m.codec.Grounding, Missing: in.missing(m.named, true),
		CodecRow: m.row, LossPct: loss, LossBasis: basis,
		BurstRatioUsed: in.burstRatio(loss),
	}
	p := m.params
	p.Ppl, p.BurstR = loss, e.BurstRatioUsed
	if e.OneWayDelayMs, e.DelayBasis = in.delay(m.codec); e.OneWayDelayMs != nil {
		e.Scope = Conversational
		p.Ta, p.T, p.Tr = *e.OneWayDelayMs, *e.OneWayDelayMs, 2**e.OneWayDelayMs
	}
	e.RFactor = clampR(p.with(m.fixed).R)
	e.MOS = MOS(e.RFactor)
	return e, true
}
