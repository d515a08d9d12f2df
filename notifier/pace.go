package notifier

import "time"

// bucket is a token bucket: burst calls at once, then one per every.
type bucket struct {
	every time.Duration
	burst int
	full  time.Time // when the bucket is full again
}

// due is when the next token is there, at the earliest now.
func (b *bucket) due(now time.Time) time.Time {
	return Later(now, b.full.Add(-time.Duration(b.burst-1)*b.every))
}

func (b *bucket) take(now time.Time) { b.full = Later(now, b.full).Add(b.every) }

func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lane is the way into one channel.
type lane struct {
	posts    bucket
	closed   time.Time // until then nothing goes in: Slack said so, or backing off
	failures int       // in a row, for backing off
	failing  time.Time // since when calls fail in a row; zero for not
	busy     bool
	status   ChannelStatus

	fresh, critical arrivals // new incidents, and the critical ones told by themselves in a storm
	storm           *storm   // that is on; nil for none
}

const (
	firstBackoff = time.Second
	mostBackoff  = time.Minute
)

// close keeps the lane shut until t.
func (l *lane) close(t time.Time) { l.closed = Later(l.closed, t) }

// backOff closes the lane for longer after each failure in a row.
func (l *lane) backOff(now time.Time) {
	l.close(now.Add(min(mostBackoff, firstBackoff<<min(l.failures, 10))))
	l.failures++
}
