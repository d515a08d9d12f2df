package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	pullWait      = 5 * time.Second // one pull stays open this long
	pullHeartbeat = time.Second     // two missed ones: the connection or the server is gone
	reopenWait    = 200 * time.Millisecond
	orphanAge     = time.Minute // the server drops a reader's state after that

	// The servers of a cluster do not all know at once where a reader's state is.
	deafPulls = 40
	deafWait  = 50 * time.Millisecond

	// pullBytes bounds what one pull holds in memory; a message as large as the server
	// takes always fits.
	pullBytes = 32 << 20
	pullSlack = 64 << 10

	emptyPulls = 2 // of a server that says there is more: then it is not waited for
	lagWait    = 10 * time.Second
)

var (
	errNothingCame = errors.New("the server says that there is more, and sends nothing")
	errLags        = errors.New("the server that reads does not have what its leader has")
)

// cursor reads a stream in order: first what is stored, then what comes. Its
// state on the server is in memory; lost, it is made again where it stopped.
type cursor struct {
	store    *Store
	stream   string
	subjects []string  // nil: all
	next     uint64    // sequence to read next
	since    time.Time // with next 0: begin with what was stored at or after it
	batch    int       // messages asked for at once; bounds the memory held
	toEnd    bool      // stop at the end instead of waiting for more
	patient  bool      // with toEnd: a server that does not answer is waited for
	last     bool      // only the last message of each subject
	headers  bool      // leave the content of messages out
	suspect  uint64    // where the server had messages after it delivered none
	stuckAt  uint64    // where it delivered none of those either
	empty    bool      // the pull before delivered nothing

	// deliver takes one message, and says in more whether another is at hand.
	deliver func(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error
	// skipped, if set, is called with the subject and sequence of each foreign message.
	skipped func(subject string, seq uint64)
}

// stopped carries an error of deliver through run.
type stopped struct{ error }

// run delivers until ctx ends, deliver fails, or the end is reached with toEnd.
func (c *cursor) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.store.closed, cancel)()
	begun := time.Now()
	var leader jetstream.Stream // nil: the reader has everything
	if c.toEnd && c.store.node == nil {
		var err error
		if leader, err = c.store.js.Stream(ctx, c.stream); err != nil {
			return readError(ctx, err)
		}
	}
	for {
		done, err := c.follow(ctx)
		if done && leader != nil {
			done, err = c.complete(ctx, leader, begun)
		}
		var stop stopped
		switch {
		case errors.As(err, &stop):
			return stop.error
		case c.store.closed.Err() != nil:
			return fmt.Errorf("%w: it is closed", ErrUnavailable)
		case ctx.Err() != nil:
			return ctx.Err()
		case done:
			return nil
		case err != nil && c.toEnd && !c.patient:
			return readError(ctx, err)
		case err != nil:
			c.store.log.Warn("reading is interrupted", "stream", c.stream, "next", c.next, "err", err)
		}
		select {
		case <-time.After(reopenWait):
		case <-ctx.Done():
		}
	}
}

// follow reads with one consumer until it breaks.
func (c *cursor) follow(ctx context.Context) (done bool, err error) {
	config := jetstream.ConsumerConfig{
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(c.next, 1),
		FilterSubjects:    c.subjects,
		InactiveThreshold: orphanAge,
		MemoryStorage:     true,
		Replicas:          1,
		HeadersOnly:       c.headers,
	}
	if c.next == 0 && !c.since.IsZero() {
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &c.since
	}
	if c.last {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
		if len(c.subjects) == 0 {
			config.FilterSubjects = []string{">"}
		}
	}
	create, cancel := context.WithTimeout(ctx, c.store.requestWait())
	defer cancel()
	consumer, err := c.store.js.CreateConsumer(create, c.stream, config)
	if err != nil {
		return false, err
	}
	defer c.drop(consumer.CachedInfo().Name)
	if c.toEnd && consumer.CachedInfo().NumPending == 0 {
		return true, nil
	}
	var delivered uint64
	for deaf, empty := 0, 0; ; {
		before := delivered
		done, err = c.pull(ctx, consumer, &delivered)
		if errors.Is(err, nats.ErrNoResponders) && delivered == 0 && deaf < deafPulls {
			deaf++
			select {
			case <-time.After(deafWait):
			case <-ctx.Done():
			}
			continue
		}
		if done || err != nil {
			return done, err
		}
		if delivered > before {
			empty = 0
			continue
		}
		if len(c.subjects) == 0 && !c.last {
			c.checkStuck(ctx)
		}
		if !c.toEnd {
			continue
		}
		if done, err := c.atEnd(ctx, consumer); done || err != nil {
			return done, err
		}
		if empty++; empty == emptyPulls {
			return false, errNothingCame
		}
	}
}

// atEnd says that nothing is left for the consumer, though it was told of more:
// what was there may have been removed since.
func (c *cursor) atEnd(ctx context.Context, consumer jetstream.Consumer) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.store.requestWait())
	defer cancel()
	info, err := consumer.Info(ctx)
	return err == nil && info.NumPending == 0, err
}

// complete says whether a reading that came to an end has what the stream's leader
// had when it began: the server of a cluster that reads may lag behind it.
func (c *cursor) complete(ctx context.Context, leader jetstream.Stream, begun time.Time) (bool, error) {
	state, subjects := leader.CachedInfo().State, c.subjects
	if state.Msgs == 0 || c.next > state.LastSeq {
		return true, nil
	}
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	for _, subject := range subjects {
		m, err := leader.GetLastMsgForSubject(ctx, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return false, err
		case m.Sequence < c.next || m.Time.Before(c.since):
		case time.Since(begun) > lagWait:
			return false, errLags
		default:
			return false, nil
		}
	}
	return true, nil
}

// checkStuck, called after a pull that delivered nothing, notices a server that
// stores messages it cannot find: one flipped bit in a sequence makes it so until
// its next start, when it reads all blocks. A message found for the first time may
// have come since the pull; the next one delivers it.
func (c *cursor) checkStuck(ctx context.Context) {
	st, err := c.store.js.Stream(ctx, c.stream)
	if err != nil {
		return
	}
	state, next := st.CachedInfo().State, max(c.next, 1)
	if state.Msgs == 0 || state.LastSeq < next || c.stuckAt == next {
		return // nothing is there to be found
	}
	if c.suspect != next {
		c.suspect = next
		return
	}
	c.stuckAt = next // once: a start that does not help is not repeated
	c.store.log.Error("stream is stuck", "stream", c.stream, "next", c.next, "last", state.LastSeq)
	select {
	case c.store.stuck <- struct{}{}:
	default:
	}
}

func (c *cursor) drop(consumer string) {
	if c.store.closed.Err() != nil || c.store.readOnly {
		return
	}
	ctx, cancel := context.WithTimeout(c.store.closed, time.Second)
	defer cancel()
	_ = c.store.js.DeleteConsumer(ctx, c.stream, consumer) // else the server does after orphanAge
}

// pull delivers up to one batch.
func (c *cursor) pull(ctx context.Context, consumer jetstream.Consumer, delivered *uint64) (done bool, err error) {
	// The pull's deadline is its own: a caller's, if near, leaves no time for heartbeats.
	pull, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullWait)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	options, most := []jetstream.FetchOpt{jetstream.FetchContext(pull), jetstream.FetchHeartbeat(pullHeartbeat)}, c.batch
	if c.empty {
		most = 1 // a message may be larger than the server takes now
	} else {
		options = append(options, jetstream.FetchMaxBytes(max(pullBytes, int(c.store.nc.MaxPayload())+pullSlack)))
	}
	batch, err := consumer.Fetch(most, options...)
	if err != nil {
		return false, err
	}
	c.empty = true
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return false, err
		}
		c.empty = false
		if *delivered++; meta.Sequence.Consumer != *delivered {
			return false, fmt.Errorf("message %d of the reader was lost on the way", *delivered)
		}
		if again := c.last && meta.Sequence.Stream < c.next; !again {
			if err := c.take(m, meta, len(batch.Messages()) > 0); err != nil {
				return false, stopped{err}
			}
			c.next = meta.Sequence.Stream + 1
		}
		if c.toEnd && meta.NumPending == 0 {
			return true, nil
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	return false, nil
}

// take delivers one message, unless it is foreign.
func (c *cursor) take(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
	var why error
	if c.stream != rawStream { // its readers check the frames
		why = c.store.foreign(c.stream, m.Subject(), m.Headers(), meta.Sequence.Stream)
	}
	if why == nil && m.Headers().Get(headerFiller) != "" {
		return nil
	}
	if why == nil {
		return c.deliver(m, meta, more)
	}
	c.store.skip(c.stream, m.Subject(), meta.Sequence.Stream, why)
	if c.skipped != nil {
		c.skipped(m.Subject(), meta.Sequence.Stream)
	}
	return nil
}
