package call

import "encoding/binary"

// Packed reads what was packed, from its start; after damage everything is empty.
type Packed struct {
	Rest    []byte // not read yet
	Damaged bool
}

// Take is the next n bytes, where they lie.
func (p *Packed) Take(n int) []byte {
	if n > len(p.Rest) {
		p.damage()
		return nil
	}
	taken := p.Rest[:n]
	p.Rest = p.Rest[n:]
	return taken
}

// Number is an unsigned varint.
func (p *Packed) Number() uint64 {
	v, n := binary.Uvarint(p.Rest)
	if n <= 0 {
		p.damage()
		return 0
	}
	p.Rest = p.Rest[n:]
	return v
}

// Count is the length of a list: each member takes a byte or more.
func (p *Packed) Count() int {
	n := p.Number()
	if n > uint64(len(p.Rest)) {
		p.damage()
		return 0
	}
	return int(n)
}

func (p *Packed) damage() { p.Damaged, p.Rest = true, nil }
