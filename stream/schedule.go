package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A message under laterPrefix is stored by the server under duePrefix when its
// time has come, and removed in the same step: the server's own message
// schedules. Both survive a crash, so a task is never lost; it may become due
// once more, which Again recognizes.
const (
	laterPrefix = "callwatch.later."
	duePrefix   = "callwatch.due."

	headerSchedule       = "Nats-Schedule"
	headerScheduleTarget = "Nats-Schedule-Target"

	tasksAtOnce = 256
)

// Task is something to do at a time. Among those of its topic it has a key:
// letters, digits, - and _ keep its subject readable.
type Task struct {
	Topic, Key string
	At         time.Time // the server wakes up to a quarter of a second later
	Data       []byte
}

func (t *Task) subjects() (later, due string, err error) {
	rest := token(t.Topic) + "." + token(t.Key)
	if len(rest) > maxKey {
		return "", "", fmt.Errorf("task %.40q: %w: key of %d bytes", t.Key, ErrTooLarge, len(t.Key))
	}
	return laterPrefix + rest, duePrefix + rest, nil
}

// Due is a task whose time has come.
type Due struct {
	Task        // At is when it became due
	seq  uint64 // of the message under duePrefix
}

// Later stores a task, unless one of its key waits or is due: then stored is false.
func (s *Store) Later(ctx context.Context, t Task) (stored bool, err error) {
	_, due, err := t.subjects()
	if err != nil {
		return false, err
	}
	switch _, err := s.tasks.GetLastMsgForSubject(ctx, due); {
	case err == nil:
		return false, nil
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return false, fmt.Errorf("task %s: %w", t.Key, readError(ctx, err))
	}
	return s.scheduleFirst(ctx, t)
}

// Again stores the task that follows a due one under its key. It is false when
// that was done before: the due one came once more, after a crash, and is not
// to be worked on.
func (s *Store) Again(ctx context.Context, d Due, at time.Time, data []byte) (stored bool, err error) {
	return s.scheduleFirst(ctx, Task{Topic: d.Topic, Key: d.Key, At: at, Data: data})
}

// Postpone stores a task in place of the one that waits under its key, if any does.
func (s *Store) Postpone(ctx context.Context, t Task) error { return s.schedule(ctx, t) }

// Finish removes a due task.
func (s *Store) Finish(ctx context.Context, d Due) error {
	err := s.tasks.DeleteMsg(ctx, d.seq)
	var api *jetstream.APIError
	if errors.As(err, &api) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return nil // gone already: a later one of the same key took its place
	}
	if err != nil {
		return fmt.Errorf("finish task %s: %w", d.Key, classify(err))
	}
	return nil
}

func (s *Store) scheduleFirst(ctx context.Context, t Task) (bool, error) {
	err := s.schedule(ctx, t, jetstream.WithExpectLastSequencePerSubject(0))
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) schedule(ctx context.Context, t Task, opts ...jetstream.PublishOpt) error {
	later, due, err := t.subjects()
	if err != nil {
		return err
	}
	_, err = s.js.PublishMsg(ctx, &nats.Msg{Subject: later, Data: t.Data, Header: nats.Header{
		// The library's own option cuts the time to whole seconds.
		headerSchedule:       {"@at " + t.At.UTC().Format(time.RFC3339Nano)},
		headerScheduleTarget: {due},
	}}, opts...)
	if err != nil {
		return fmt.Errorf("schedule task %s: %w", t.Key, classify(err))
	}
	return nil
}

// FollowDue hands in the tasks of a topic that are due and not finished, then
// those that become due, until ctx ends or fn fails; it returns their error. A
// task that is not finished comes again at the next call.
func (s *Store) FollowDue(ctx context.Context, topic string, fn func(Due) error) error {
	c := cursor{store: s, stream: taskStream, subjects: []string{duePrefix + token(topic) + ".>"}, batch: tasksAtOnce}
	c.deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		return fn(Due{Task: newTask(m, duePrefix, meta.Timestamp.UTC()), seq: meta.Sequence.Stream})
	}
	return c.run(ctx)
}

// Waiting reads the tasks of a topic whose time has not come, in no order.
func (s *Store) Waiting(ctx context.Context, topic string, fn func(Task)) error {
	c := cursor{store: s, stream: taskStream, subjects: []string{laterPrefix + token(topic) + ".>"}, batch: tasksAtOnce, toEnd: true}
	c.deliver = func(m jetstream.Msg, _ *jetstream.MsgMetadata, _ bool) error {
		at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(m.Headers().Get(headerSchedule), "@at "))
		if err != nil {
			return fmt.Errorf("time of a task: %w", err)
		}
		fn(newTask(m, laterPrefix, at))
		return nil
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("read the tasks of %s: %w", topic, err)
	}
	return nil
}

func newTask(m jetstream.Msg, prefix string, at time.Time) Task {
	topic, key, _ := strings.Cut(strings.TrimPrefix(m.Subject(), prefix), ".")
	topic, _ = untoken(topic)
	key, _ = untoken(key)
	return Task{Topic: topic, Key: key, At: at, Data: m.Data()}
}
