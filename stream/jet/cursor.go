package jet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"callwatch/stream/names"
)

const (
	PullWait      = 5 * time.Second // one pull stays open this long
	pullHeartbeat = time.Second     // two missed ones: the connection or the server is gone
	ReopenWait    = 200 * time.Millisecond
	orphanAge     = time.Minute // the server drops a reader's state after that

	// The servers of a cluster do not all know at once where a reader's state is.
	deafPulls = 40
	deafWait  = 50 * time.Millisecond

	// PullBytes bounds what one pull holds in memory; a message as large as the server
	// takes always fits.
	PullBytes = 32 << 20
	pullSlack = 64 << 10

	emptyPulls = 2 // of a server that says there is more: then it is not waited for
	lagWait    = 10 * time.Second
)

var (
	errNothingCame = errors.New("the server says that there is more, and sends nothing")
	errLags        = errors.New("the server that reads does not have what its leader has")
)

// Cursor reads a stream in order: first what is stored, then what comes. Its
// state on the server is in memory; lost, it is made again where it stopped.
type Cursor struct {
	Conn     *Conn
	Stream   string
	Subjects []string  // nil: all
	Next     uint64    // sequence to read next
	Since    time.Time // with next 0: begin with what was stored at or after it
	Batch    int       // messages asked for at once; bounds the memory held
	ToEnd    bool      // stop at the end instead of waiting for more
	Patient  bool      // with ToEnd: a server that does not answer is waited for
	Last     bool      // only the last message of each subject
	Headers  bool      // leave the content of messages out
	suspect  uint64    // where the server had messages after it delivered none
	stuckAt  uint64    // where it delivered none of those either
	empty    bool      // the pull before delivered nothing

	// Deliver takes one message, and says in more whether another is at hand.
	Deliver func(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error
	// Skipped, if set, is called with the subject and sequence of each foreign message.
	Skipped func(subject string, seq uint64)
}

// stopped carries an error of Deliver through Run.
type stopped struct{ error }

// Run delivers until ctx ends, Deliver fails, or the end is reached with ToEnd.
func (c *Cursor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.Conn.Closed, cancel)()
	begun := time.Now()
	var leader jetstream.Stream // nil: the reader has everything
	if c.ToEnd && !c.Conn.Embedded {
		var err error
		if leader, err = c.Conn.JS.Stream(ctx, c.Stream); err != nil {
			return ReadError(ctx, err)
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
		case c.Conn.Closed.Err() != nil:
			return fmt.Errorf("%w: it is closed", ErrUnavailable)
		case ctx.Err() != nil:
			return ctx.Err()
		case done:
			return nil
		case err != nil && c.ToEnd && !c.Patient:
			return ReadError(ctx, err)
		case err != nil:
			c.Conn.Log.Warn("reading is interrupted", "stream", c.Stream, "next", c.Next, "err", err)
		}
		select {
		case <-time.After(ReopenWait):
		case <-ctx.Done():
		}
	}
}

// follow reads with one consumer until it breaks.
func (c *Cursor) follow(ctx context.Context) (done bool, err error) {
	name, about := c.title()
	config := jetstream.ConsumerConfig{
		Name:              name,
		Description:       about,
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(c.Next, 1),
		FilterSubjects:    c.Subjects,
		InactiveThreshold: orphanAge,
		MemoryStorage:     true,
		Replicas:          1,
		HeadersOnly:       c.Headers,
	}
	if c.Next == 0 && !c.Since.IsZero() {
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &c.Since
	}
	if c.Last {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
		if len(c.Subjects) == 0 {
			config.FilterSubjects = []string{">"}
		}
	}
	create, cancel := context.WithTimeout(ctx, c.Conn.RequestWait())
	defer cancel()
	consumer, err := c.Conn.JS.CreateConsumer(create, c.Stream, config)
	if err != nil {
		return false, err
	}
	defer c.drop(consumer.CachedInfo().Name)
	if c.ToEnd && consumer.CachedInfo().NumPending == 0 {
		return true, nil
	}
	var delivered uint64
	for deaf, empty := 0, 0; ; {
		before := delivered
		done, err = c.Pull(ctx, consumer, &delivered)
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
		if len(c.Subjects) == 0 && !c.Last {
			c.CheckStuck(ctx)
		}
		if !c.ToEnd {
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

// title names a consumer for those who list it: what it does, on which machine.
func (c *Cursor) title() (name, about string) {
	what := "follow"
	about = "callwatch: follows the stream as it grows"
	switch {
	case c.Last:
		what, about = "last", "callwatch: reads the last message of each subject"
	case c.ToEnd:
		what, about = "read", "callwatch: reads what is stored"
	}
	if host, err := os.Hostname(); err == nil {
		about += ", on " + host
	}
	return "callwatch-" + what + "-" + nuid.Next(), about
}

// atEnd says that nothing is left for the consumer, though it was told of more:
// what was there may have been removed since.
func (c *Cursor) atEnd(ctx context.Context, consumer jetstream.Consumer) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Conn.RequestWait())
	defer cancel()
	info, err := consumer.Info(ctx)
	return err == nil && info.NumPending == 0, err
}

// complete says whether a reading that came to an end has what the stream's leader
// had when it began: the server of a cluster that reads may lag behind it.
func (c *Cursor) complete(ctx context.Context, leader jetstream.Stream, begun time.Time) (bool, error) {
	state, subjects := leader.CachedInfo().State, c.Subjects
	if state.Msgs == 0 || c.Next > state.LastSeq {
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
		case m.Sequence < c.Next || m.Time.Before(c.Since):
		case time.Since(begun) > lagWait:
			return false, errLags
		default:
			return false, nil
		}
	}
	return true, nil
}

// CheckStuck, called after a pull that delivered nothing, notices a server that
// stores messages it cannot find: one flipped bit in a sequence makes it so until
// its next start, when it reads all blocks. A message found for the first time may
// have come since the pull; the next one delivers it.
func (c *Cursor) CheckStuck(ctx context.Context) {
	st, err := c.Conn.JS.Stream(ctx, c.Stream)
	if err != nil {
		return
	}
	state, next := st.CachedInfo().State, max(c.Next, 1)
	if state.Msgs == 0 || state.LastSeq < next || c.stuckAt == next {
		return // nothing is there to be found
	}
	if c.suspect != next {
		c.suspect = next
		return
	}
	c.stuckAt = next // once: a start that does not help is not repeated
	c.Conn.Log.Error("stream is stuck", "stream", c.Stream, "next", c.Next, "last", state.LastSeq)
	select {
	case c.Conn.Stuck <- struct{}{}:
	default:
	}
}

func (c *Cursor) drop(consumer string) {
	if c.Conn.Closed.Err() != nil || c.Conn.ReadOnly {
		return
	}
	ctx, cancel := context.WithTimeout(c.Conn.Closed, time.Second)
	defer cancel()
	_ = c.Conn.JS.DeleteConsumer(ctx, c.Stream, consumer) // else the server does after orphanAge
}

// Pull delivers up to one batch.
func (c *Cursor) Pull(ctx context.Context, consumer jetstream.Consumer, delivered *uint64) (done bool, err error) {
	// The pull's deadline is its own: a caller's, if near, leaves no time for heartbeats.
	pull, cancel := context.WithTimeout(context.WithoutCancel(ctx), PullWait)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	options, most := []jetstream.FetchOpt{jetstream.FetchContext(pull), jetstream.FetchHeartbeat(pullHeartbeat)}, c.Batch
	if c.empty {
		most = 1 // a message may be larger than the server takes now
	} else {
		options = append(options, jetstream.FetchMaxBytes(max(PullBytes, int(c.Conn.NC.MaxPayload())+pullSlack)))
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
		if again := c.Last && meta.Sequence.Stream < c.Next; !again {
			if err := c.take(m, meta, len(batch.Messages()) > 0); err != nil {
				return false, stopped{err}
			}
			c.Next = meta.Sequence.Stream + 1
		}
		if c.ToEnd && meta.NumPending == 0 {
			return true, nil
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	return false, nil
}

// take delivers one message, unless it is foreign.
func (c *Cursor) take(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
	var why error
	if c.Stream != names.RawStream { // its readers check the frames
		why = c.Conn.Check(c.Stream, m.Subject(), m.Headers(), meta.Sequence.Stream)
	}
	if why == nil && m.Headers().Get(HeaderFiller) != "" {
		return nil
	}
	if why == nil {
		return c.Deliver(m, meta, more)
	}
	c.Conn.Skip(c.Stream, m.Subject(), meta.Sequence.Stream, why)
	if c.Skipped != nil {
		c.Skipped(m.Subject(), meta.Sequence.Stream)
	}
	return nil
}
