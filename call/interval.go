package call

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// Interval is one reporting interval of a call. Counters are differences within
// the interval, not readings.
type Interval struct {
	Start            time.Time `json:"start,omitzero"`
	End              time.Time `json:"end,omitzero"`
	PacketsReceived  *int64    `json:"packetsReceived,omitempty"`
	PacketsLost      *int64    `json:"packetsLost,omitempty"`
	PacketLossPct    *float64  `json:"packetLossPct,omitempty"` // percent, 0..100
	JitterMs         *float64  `json:"jitterMs,omitempty"`
	RTTMs            *float64  `json:"rttMs,omitempty"`
	ConcealedPct     *float64  `json:"concealedPct,omitempty"` // percent, 0..100
	JitterBufferMs   *float64  `json:"jitterBufferMs,omitempty"`
	PacketsDiscarded *int64    `json:"packetsDiscarded,omitempty"`
	AudioLevel       *float64  `json:"audioLevel,omitempty"` // received level, 0..1
	Held             bool      `json:"held,omitempty"`       // on hold for some of the time: not rated, and its silence is no fault
	RFactor          *float64  `json:"rFactor,omitempty"`    // 0..100; 0 where an answered call received nothing
	MOS              *float64  `json:"mos,omitempty"`        // of RFactor, 1..4.5
}

// Duration is the length of the interval, 0 where an end is unknown or the ends
// are the wrong way round.
func (iv Interval) Duration() time.Duration {
	if iv.Start.IsZero() || !iv.End.After(iv.Start) {
		return 0
	}
	return iv.End.Sub(iv.Start)
}

// Member is one member of an interval, as rules read it.
type Member struct {
	Name string
	Type Type
	slot slot
}

// Members are the members of an interval, in the order of the declaration.
func Members() []Member { return memberTable() }

var memberTable = sync.OnceValue(func() []Member {
	t := reflect.TypeFor[Interval]()
	var members []Member
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		members = append(members, Member{name, typeOf(sf), slot{sf.Offset, formOf(sf.Type)}})
	}
	return members
})

// Number is a numeric member of iv; false where it is unknown or not a number.
func (m *Member) Number(iv *Interval) (float64, bool) {
	switch m.slot.form {
	case formFloat:
		if v := *at[*float64](m.slot, iv); v != nil {
			return *v, true
		}
	case formWhole:
		if v := *at[*int64](m.slot, iv); v != nil {
			return float64(*v), true
		}
	}
	return 0, false
}

// Truth is a truth value of iv; false for a member of another type.
func (m *Member) Truth(iv *Interval) bool {
	return m.slot.form == formPlain && *at[bool](m.slot, iv)
}

// Time is a time of iv; zero where it is unknown or for a member of another type.
func (m *Member) Time(iv *Interval) time.Time {
	if m.slot.form != formTime {
		return time.Time{}
	}
	return *at[time.Time](m.slot, iv)
}
