package condition

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxBuilt = 1 << 16 // bytes of a text that replace makes
	maxParts = 1000    // of a text that is split
)

// asText is string(x): a number in its shortest form.
func asText(a value) value {
	switch a.kind {
	case text:
		return a
	case number:
		return ofText(fmt.Sprint(a.num + 0)) // + 0: no -0
	case boolean:
		return ofText(strconv.FormatBool(a.truth))
	default:
		return value{}
	}
}

// split takes a text apart; the separator "" takes it apart into characters.
func (n *node) split(f *frame, s, separator string) value {
	parts := strings.SplitN(s, separator, maxParts+1)
	if len(parts) > maxParts {
		return f.fail(n.err)
	}
	if !f.spend(len(parts)) {
		return f.fail(ErrTooLong)
	}
	return value{kind: list, ref: &parts}
}

// replace puts a text in the place of each occurrence of another.
func (n *node) replace(f *frame) value {
	var texts [3]string
	known := true
	for i, a := range n.args {
		switch v := a.eval(f); v.kind {
		case failed:
			return v
		case text:
			texts[i] = v.text
		default:
			known = false
		}
	}
	if !known {
		return value{}
	}
	s, old, written := texts[0], texts[1], texts[2]
	length := len(s) + strings.Count(s, old)*(len(written)-len(old))
	switch {
	case length > maxBuilt:
		return f.fail(n.err)
	case !f.spend((len(s) + length) / 16):
		return f.fail(ErrTooLong)
	}
	return ofText(strings.ReplaceAll(s, old, written))
}
