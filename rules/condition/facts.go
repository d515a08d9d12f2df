package condition

import "callwatch/call"

// Facts are what is known of one call, in the form expressions read: one slot
// per field, filled when a program first asks for it. Load once per call and
// evaluate any number of programs. The zero value knows nothing. Reading fills
// slots: it is not for concurrent use.
type Facts struct {
	event  *call.Event
	fields []call.Field
	slots  []value
	filled []bool
	lists  [][]string
	none   value

	figures []Bounds // of a window
	further []Bounds // the same as they may be with further calls; see LoadFurther
	tables  []given
	labels  map[string]string // of an incident; nil for none
}

// Load takes the facts of e in place of those held before. It reads e only when
// a program is evaluated: e must not change until the next Load.
func (f *Facts) Load(e *call.Event) {
	if f.fields == nil {
		f.fields = call.Fields()
		f.slots = make([]value, len(f.fields))
		f.filled = make([]bool, len(f.fields))
		f.lists = make([][]string, len(f.fields))
	}
	f.event, f.figures, f.further, f.tables, f.labels = e, nil, nil, f.tables[:0], nil
	f.slots, f.filled = f.slots[:len(f.fields)], f.filled[:len(f.fields)]
	clear(f.filled)
}

// at is the value of a field, not to be changed.
func (f *Facts) at(slot int) *value {
	if f.event == nil || slot >= len(f.slots) {
		return &f.none
	}
	if !f.filled[slot] {
		f.slots[slot], f.filled[slot] = f.read(slot, f.event), true
	}
	return &f.slots[slot]
}

// figure is one number told of the window.
func (f *Facts) figure(n *node) value {
	figures := f.further
	if n.share {
		figures = f.figures
	}
	if n.slot >= len(figures) {
		return f.none
	}
	return ofBounds(figures[n.slot].Low, figures[n.slot].High)
}

// LoadExtra gives the values of Env.With, in its order, after Load; "" is
// unknown.
func (f *Facts) LoadExtra(texts ...string) {
	f.slots, f.filled = f.slots[:len(f.fields)], f.filled[:len(f.fields)]
	for _, s := range texts {
		v := value{}
		if s != "" {
			v = ofText(s)
		}
		f.slots, f.filled = append(f.slots, v), append(f.filled, true)
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

// member is one member of an interval.
type member struct {
	typ  typ
	read func(*call.Interval) value
}

// intervalMembers are the members of one element of `intervals`, as package call
// declares them. A function, not a variable: nothing of the package can be changed.
func intervalMembers() map[string]member {
	members := map[string]member{}
	for _, m := range call.Members() {
		switch m.Type {
		case call.Number, call.Integer:
			members[m.Name] = member{typ{kind: number, whole: m.Type == call.Integer}, func(iv *call.Interval) value {
				if n, ok := m.Number(iv); ok {
					return finite(n)
				}
				return value{}
			}}
		case call.Bool:
			members[m.Name] = member{typ{kind: boolean}, func(iv *call.Interval) value { return ofBool(m.Truth(iv)) }}
		case call.Time:
			members[m.Name] = member{typ{kind: instant}, func(iv *call.Interval) value { return ofTime(m.Time(iv)) }}
		}
	}
	return members
}
