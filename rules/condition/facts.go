package condition

import "callwatch/call"

// Facts are what is known of one call, in the form expressions read: one slot
// per field. Fill it once per call with Load and evaluate any number of
// programs. The zero value knows nothing. It is not for concurrent use.
type Facts struct {
	fields []call.Field
	slots  []value
	lists  [][]string
}

// Load takes the facts of e in place of those held before. It refers to e's
// lists and texts: e must not change until the next Load.
func (f *Facts) Load(e *call.Event) {
	if f.fields == nil {
		f.fields = call.Fields()
		f.slots = make([]value, len(f.fields))
		f.lists = make([][]string, len(f.fields))
	}
	f.slots = f.slots[:len(f.fields)]
	for i := range f.fields {
		f.slots[i] = f.read(i, e)
	}
}

// LoadExtra gives the values of Env.Extra, in its order, after Load; "" is
// unknown.
func (f *Facts) LoadExtra(texts ...string) {
	f.slots = f.slots[:len(f.fields)]
	for _, s := range texts {
		v := value{}
		if s != "" {
			v = ofText(s)
		}
		f.slots = append(f.slots, v)
	}
}

func (f *Facts) read(i int, e *call.Event) value {
	field := &f.fields[i]
	switch field.Type {
	case call.Number, call.Integer:
		if n, ok := field.Number(e); ok {
			return finite(n)
		}
	case call.Bool:
		if b, ok := field.Truth(e); ok {
			return ofBool(b)
		}
	case call.Text:
		if s, ok := field.Text(e); ok {
			return ofText(s)
		}
	case call.Time:
		return ofTime(field.Time(e))
	case call.Strings:
		if f.lists[i] = field.Texts(e); len(f.lists[i]) > 0 {
			return value{kind: list, ref: &f.lists[i]}
		}
	case call.List:
		if len(e.Intervals) > 0 {
			return value{kind: list, ref: &e.Intervals}
		}
	case call.Object:
		if len(e.Raw) > 0 {
			return value{kind: object, ref: e.Raw}
		}
	}
	return value{}
}

func (f *Facts) at(slot int) value {
	if slot >= len(f.slots) {
		return value{}
	}
	return f.slots[slot]
}

// member is one member of an interval.
type member struct {
	typ  typ
	read func(*call.Interval) value
}

// intervalMembers are the members of one element of `intervals`. A function, not
// a variable: nothing of the package can be changed.
func intervalMembers() map[string]member {
	whole := typ{kind: number, whole: true}
	num := typ{kind: number}
	return map[string]member{
		"start":           {typ{kind: instant}, func(iv *call.Interval) value { return ofTime(iv.Start) }},
		"end":             {typ{kind: instant}, func(iv *call.Interval) value { return ofTime(iv.End) }},
		"packetsReceived": {whole, func(iv *call.Interval) value { return ofCount(iv.PacketsReceived) }},
		"packetsLost":     {whole, func(iv *call.Interval) value { return ofCount(iv.PacketsLost) }},
		"packetLossPct":   {num, func(iv *call.Interval) value { return ofFigure(iv.PacketLossPct) }},
		"jitterMs":        {num, func(iv *call.Interval) value { return ofFigure(iv.JitterMs) }},
		"rttMs":           {num, func(iv *call.Interval) value { return ofFigure(iv.RTTMs) }},
		"rFactor":         {num, func(iv *call.Interval) value { return ofFigure(iv.RFactor) }},
		"mos":             {num, func(iv *call.Interval) value { return ofFigure(iv.MOS) }},
	}
}

func ofCount(n *int64) value {
	if n == nil {
		return value{}
	}
	return ofNumber(float64(*n))
}

func ofFigure(n *float64) value {
	if n == nil {
		return value{}
	}
	return finite(*n)
}
