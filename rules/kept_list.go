package rules

import "iter"

// looseOnes are the calls that are not packed, in no order.
func (k *kept) looseOnes() iter.Seq[*callState] {
	return func(yield func(*callState) bool) {
		for _, cs := range k.loose {
			for ; cs != nil; cs = cs.next {
				if !yield(cs) {
					return
				}
			}
		}
	}
}

// headers are those of all calls, in no order, without what is packed.
func (k *kept) headers() iter.Seq[record] {
	return func(yield func(record) bool) {
		for cs := range k.looseOnes() {
			if !yield(cs.header()) {
				return
			}
		}
		for record := range k.packed.all() {
			if !yield(readRecord(record)) {
				return
			}
		}
	}
}
