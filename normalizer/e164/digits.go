package e164

import (
	"encoding/binary"
	"fmt"
	"regexp/syntax"
	"slices"
)

// digits is a regular expression over the ten digits as a deterministic
// automaton: reading a telephone number is a look-up per digit, where a general
// matcher takes microseconds. State 0 is the one that nothing leads out of.
type digits []digitState

type digitState struct {
	next  [10]int32
	final bool // what was read so far matches
}

const digitStart = 1

// matches says whether the expression matches the whole of s, which has nothing
// but digits.
func (d digits) matches(s string) bool {
	at := int32(digitStart)
	for i := 0; i < len(s) && at != 0; i++ {
		at = d[at].next[s[i]-'0']
	}
	return d[at].final
}

// begins says whether the expression matches the beginning of s, which has
// nothing but digits.
func (d digits) begins(s string) bool {
	at := int32(digitStart)
	for i := 0; i < len(s) && at != 0 && !d[at].final; i++ {
		at = d[at].next[s[i]-'0']
	}
	return d[at].final
}

// compileDigits makes the automaton of an expression; anchors and word borders
// are refused.
func compileDigits(pattern string) (digits, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("parse pattern: %w", err)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, fmt.Errorf("compile pattern: %w", err)
	}
	b := digitBuilder{prog: prog, known: map[string]int32{}}
	b.state(nil)
	b.state([]uint32{uint32(prog.Start)})
	for i := digitStart; i < len(b.places); i++ {
		for digit := range int32(10) {
			var after []uint32
			for _, pc := range b.places[i] {
				if in := &prog.Inst[pc]; in.MatchRune('0' + digit) {
					after = append(after, in.Out)
				}
			}
			b.made[i].next[digit] = b.state(after)
		}
	}
	return b.made, b.failed
}

// digitBuilder finds the states: each is the set of instructions that may read
// the next digit.
type digitBuilder struct {
	prog   *syntax.Prog
	known  map[string]int32
	made   digits
	places [][]uint32
	failed error
}

// state is the number of the state that is reached at these instructions.
func (b *digitBuilder) state(at []uint32) int32 {
	var places []uint32
	final := false
	seen := map[uint32]bool{}
	for len(at) > 0 {
		pc := at[len(at)-1]
		at = at[:len(at)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := &b.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			at = append(at, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			at = append(at, in.Out)
		case syntax.InstMatch:
			final = true
		case syntax.InstFail:
		case syntax.InstEmptyWidth:
			b.failed = fmt.Errorf("pattern has an anchor: %s", in)
		default:
			places = append(places, pc)
		}
	}
	slices.Sort(places)
	name := []byte{0}
	if final {
		name[0] = 1
	}
	for _, pc := range places {
		name = binary.AppendUvarint(name, uint64(pc))
	}
	n, ok := b.known[string(name)]
	if !ok {
		n = int32(len(b.made))
		b.known[string(name)] = n
		b.made, b.places = append(b.made, digitState{final: final}), append(b.places, places)
	}
	return n
}
