package frame

import "time"

// Members of a record that few have are among its headers, under names that no
// provider's header has: older stores hold none.
const (
	recordAccount  = "callwatch-account"
	recordReplays  = "callwatch-replays"
	recordCountsAt = "callwatch-counts-at"
)

// allHeaders are the headers as they are stored.
func (r *Record) allHeaders() map[string]string {
	if r.Replays == (Position{}) && r.Account == "" {
		return r.Header
	}
	all := map[string]string{}
	if r.Account != "" {
		all[recordAccount] = r.Account
	}
	if r.Replays != (Position{}) {
		all[recordReplays] = r.Replays.String()
	}
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
	if len(r.Header) == 0 {
		return
	}
	r.Account = r.Header[recordAccount]
	if replays, ok := r.Header[recordReplays]; ok {
		r.Replays, _ = ParsePosition(replays)
		r.CountsAt, _ = time.Parse(time.RFC3339Nano, r.Header[recordCountsAt])
	}
	for _, own := range []string{recordAccount, recordReplays, recordCountsAt} {
		delete(r.Header, own)
	}
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
