// Package task keeps what is to be done at a time, and hands it in when it is due. Of
// callwatch it imports the packages jet and names.
package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// TASKS is a log: the last message of a subject is what is to be done under a
// key, and when; one without a time says that nothing is. Each write names the
// message it follows, so that a task is followed once, however many replicas replay it. The
// server's own message schedules would wake us as well, but a kill -9 loses those
// that took the place of an earlier one.
const tasksAtOnce = 256

// Schedule is the tasks of a store.
type Schedule struct {
	conn   *jet.Conn
	stream *jet.Stream
}

// New returns the schedule that is kept in a stream.
func New(conn *jet.Conn, stream *jet.Stream) *Schedule {
	return &Schedule{conn: conn, stream: stream}
}

// Task is something to do at a time. Among those of its topic it has a key:
// letters, digits, - and _ keep its subject readable.
type Task struct {
	Topic, Key string
	At         time.Time
	Data       []byte
}

func (t *Task) subject() (string, error) {
	subject := names.TaskPrefix + names.Token(t.Topic) + "." + names.Token(t.Key)
	if len(subject) > names.MaxKey {
		return "", fmt.Errorf("task %.40q: %w: key of %d bytes", t.Key, jet.ErrTooLarge, len(t.Key))
	}
	return subject, nil
}

// Due is a task whose time has come.
type Due struct {
	Task
	seq uint64
}

// Later stores a task, unless one of its key is there already: then stored is false.
func (s *Schedule) Later(ctx context.Context, t Task) (stored bool, err error) {
	subject, err := t.subject()
	if err != nil {
		return false, err
	}
	last := uint64(0)
	switch m, err := s.stream.GetLastMsgForSubject(ctx, subject); {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return false, fmt.Errorf("task %s: %w", t.Key, jet.ReadError(ctx, err))
	case s.conn.Check(names.TaskStream, subject, m.Header, m.Sequence) != nil:
		last = m.Sequence
	case m.Header.Get(jet.HeaderDue) != "":
		return false, nil
	default:
		last = m.Sequence
	}
	return s.putTaskAfter(ctx, t, last)
}

// Again stores the task that follows a due one under its key. It is false when
// the due one was followed already: it is not to be worked on.
func (s *Schedule) Again(ctx context.Context, d Due, at time.Time, data []byte) (stored bool, err error) {
	return s.putTaskAfter(ctx, Task{Topic: d.Topic, Key: d.Key, At: at, Data: data}, d.seq)
}

// Finish removes a due task, unless another followed it.
func (s *Schedule) Finish(ctx context.Context, d Due) error {
	_, err := s.putTaskAfter(ctx, Task{Topic: d.Topic, Key: d.Key}, d.seq)
	return err
}

// Postpone stores a task in place of the one of its key.
func (s *Schedule) Postpone(ctx context.Context, t Task) error { return s.putTask(ctx, t) }

func (s *Schedule) putTaskAfter(ctx context.Context, t Task, last uint64) (bool, error) {
	err := s.putTask(ctx, t, jetstream.WithExpectLastSequencePerSubject(last))
	if errors.Is(err, jet.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

func (s *Schedule) putTask(ctx context.Context, t Task, opts ...jetstream.PublishOpt) error {
	subject, err := t.subject()
	if err != nil {
		return err
	}
	header := nats.Header{}
	if !t.At.IsZero() {
		header[jet.HeaderDue] = []string{t.At.UTC().Format(time.RFC3339Nano)}
	}
	if _, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(names.TaskStream, &nats.Msg{Subject: subject, Data: t.Data, Header: header}), opts...); err != nil {
		return fmt.Errorf("store task %s: %w", t.Key, jet.Classify(err))
	}
	return nil
}

// Tasks reads the tasks of a topic, in no order.
func (s *Schedule) Tasks(ctx context.Context, topic string, fn func(Task)) error {
	open := map[string]Task{}
	c := s.taskCursor(topic, func(d Due) error {
		if open[d.Key] = d.Task; d.At.IsZero() {
			delete(open, d.Key)
		}
		return nil
	})
	c.ToEnd = true
	if err := c.Run(ctx); err != nil {
		return fmt.Errorf("read the tasks of %s: %w", topic, err)
	}
	for _, t := range open {
		fn(t)
	}
	return nil
}

// EraseTasks overwrites and removes the tasks of a topic that match, done ones too,
// and returns how many there were.
func (s *Schedule) EraseTasks(ctx context.Context, topic string, match func(Task) bool) (erased int, err error) {
	var found []uint64
	c := s.taskCursor(topic, func(d Due) error {
		if match(d.Task) {
			found = append(found, d.seq)
		}
		return nil
	})
	c.ToEnd = true
	if err := c.Run(ctx); err != nil {
		return 0, fmt.Errorf("read the tasks of %s: %w", topic, err)
	}
	for _, seq := range found {
		if err := jet.Overwrite(ctx, s.stream, seq); err != nil {
			return erased, fmt.Errorf("erase a task of %s: %w", topic, err)
		}
		erased++
	}
	return erased, nil
}

func (s *Schedule) taskCursor(topic string, fn func(Due) error) jet.Cursor {
	c := jet.Cursor{Conn: s.conn, Stream: names.TaskStream, Subjects: []string{names.TaskPrefix + names.Token(topic) + ".>"}, Batch: tasksAtOnce}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		_, key, _ := strings.Cut(strings.TrimPrefix(m.Subject(), names.TaskPrefix), ".")
		key, _ = names.Untoken(key)
		d := Due{Task: Task{Topic: topic, Key: key, Data: m.Data()}, seq: meta.Sequence.Stream}
		if due := m.Headers().Get(jet.HeaderDue); due != "" {
			at, err := time.Parse(time.RFC3339Nano, due)
			if err != nil {
				s.conn.Skip(names.TaskStream, m.Subject(), meta.Sequence.Stream, errors.New("its time cannot be read"))
				return nil
			}
			d.At = at
		}
		return fn(d)
	}
	return c
}
