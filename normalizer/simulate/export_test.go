package simulate

import "time"

// Rendered are the requests of call number i with a fault, in one form of a source.
func Rendered(src *Source, form *Form, f Fault, i int, start time.Time, secrets Secrets) []Request {
	p := &plan{seed: 1, rate: 1, start: start, secrets: secrets}
	return scheduledCall{variant: variant{src, form}, fault: f}.requests(p, i, 0)
}

// Again is a retry of a request.
func Again(r *Request, after time.Duration) Request { return r.again(after) }

// KeepsTimestamp reports whether a retry carries the timestamp of the first attempt.
func KeepsTimestamp(r *Request) bool { return r.scheme.Resends }
