package stream

import "time"

// Members of a record that only replays have stand among its headers, under
// names that no provider's header has: older stores hold none.
const (
	recordReplays  = "callwatch-replays"
	recordCountsAt = "callwatch-counts-at"
)

// allHeaders are the headers as they are stored.
func (r *Record) allHeaders() map[string]string {
	if r.Replays == (Position{}) {
		return r.Header
	}
	all := map[string]string{recordReplays: r.Replays.String()}
	if !r.CountsAt.IsZero() {
		all[recordCountsAt] = r.CountsAt.UTC().Format(time.RFC3339Nano)
	}
	for k, v := range r.Header {
		all[k] = v
	}
	return all
}

// takeHeaders undoes allHeaders.
func (r *Record) takeHeaders() {
	replays, ok := r.Header[recordReplays]
	if !ok {
		return
	}
	r.Replays, _ = ParsePosition(replays)
	r.CountsAt, _ = time.Parse(time.RFC3339Nano, r.Header[recordCountsAt])
	delete(r.Header, recordReplays)
	delete(r.Header, recordCountsAt)
	if len(r.Header) == 0 {
		r.Header = nil
	}
}

// Origin is where the body was stored first.
func (r *Record) Origin() Position {
	if r.Replays != (Position{}) {
		return r.Replays
	}
	return r.At
}
