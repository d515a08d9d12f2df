package call

import (
	"encoding/json"
	"strconv"
)

// UnmarshalJSON reads an interval as package json does. The form in which events
// are published is read by code of its own: an event of a long call is hardly more
// than its intervals.
func (iv *Interval) UnmarshalJSON(b []byte) error {
	if read, ok := readInterval(b); ok && *iv == (Interval{}) {
		*iv = read
		return nil
	}
	type plain Interval // without this method
	return json.Unmarshal(b, (*plain)(iv))
}

// figures are what an interval points to.
type figures struct {
	counts [3]int64
	values [8]float64
}

// readInterval reads one object in the form in which it is written: no space, no
// null, only known members. It takes nothing that package json reads otherwise.
func readInterval(b []byte) (iv Interval, ok bool) {
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return Interval{}, false
	}
	if b = b[1:]; b[0] == '}' {
		return Interval{}, len(b) == 1
	}
	to := &figures{}
	for {
		name, value, rest, ok := cutMember(b)
		if !ok {
			return Interval{}, false
		}
		switch string(name) {
		case "start":
			ok = len(value) > 1 && iv.Start.UnmarshalJSON(value) == nil
		case "end":
			ok = len(value) > 1 && iv.End.UnmarshalJSON(value) == nil
		case "packetsReceived":
			iv.PacketsReceived, ok = readCount(value, &to.counts[0])
		case "packetsLost":
			iv.PacketsLost, ok = readCount(value, &to.counts[1])
		case "packetsDiscarded":
			iv.PacketsDiscarded, ok = readCount(value, &to.counts[2])
		case "packetLossPct":
			iv.PacketLossPct, ok = readFigure(value, &to.values[0])
		case "jitterMs":
			iv.JitterMs, ok = readFigure(value, &to.values[1])
		case "rttMs":
			iv.RTTMs, ok = readFigure(value, &to.values[2])
		case "concealedPct":
			iv.ConcealedPct, ok = readFigure(value, &to.values[3])
		case "jitterBufferMs":
			iv.JitterBufferMs, ok = readFigure(value, &to.values[4])
		case "audioLevel":
			iv.AudioLevel, ok = readFigure(value, &to.values[7])
		case "held":
			iv.Held = string(value) == "true"
			ok = iv.Held || string(value) == "false"
		case "rFactor":
			iv.RFactor, ok = readFigure(value, &to.values[5])
		case "mos":
			iv.MOS, ok = readFigure(value, &to.values[6])
		default:
			return Interval{}, false
		}
		if !ok {
			return Interval{}, false
		}
		if rest[0] == '}' {
			return iv, len(rest) == 1
		}
		b = rest[1:]
	}
}

// cutMember cuts "name":value off; the rest begins with the comma or the brace
// that follows.
func cutMember(b []byte) (name, value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, nil, false
	}
	i := 1
	for i < len(b) && b[i] != '"' {
		i++
	}
	if i+2 >= len(b) || b[i+1] != ':' {
		return nil, nil, nil, false
	}
	name, b = b[1:i], b[i+2:]
	for i := range b {
		if b[i] == ',' || b[i] == '}' {
			return name, b[:i], b[i:], true
		}
	}
	return nil, nil, nil, false
}

// readCount reads digits that cannot be too large for the type.
func readCount(b []byte, to *int64) (*int64, bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		return nil, false
	}
	*to = 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return nil, false
		}
		*to = 10**to + int64(c-'0')
	}
	if negative {
		*to = -*to
	}
	return to, true
}

// readFigure reads a number of digits with at most a point among them; such a one
// package strconv reads as package json does.
func readFigure(b []byte, to *float64) (*float64, bool) {
	digits, point := b, -1
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	for i, c := range digits {
		switch {
		case c >= '0' && c <= '9':
		case c == '.' && point < 0:
			point = i
		default:
			return nil, false
		}
	}
	whole := len(digits)
	if point >= 0 {
		whole = point
	}
	if whole == 0 || point == len(digits)-1 || digits[0] == '0' && whole > 1 {
		return nil, false
	}
	var err error
	*to, err = strconv.ParseFloat(string(b), 64)
	return to, err == nil
}
