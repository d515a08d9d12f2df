package eventlog

import (
	"bytes"
	"sync"

	"callwatch/call"
	"callwatch/stream"
)

// recentBytes bounds the JSON of the events that Recent has. Decoded, an event takes a few times as much.
const recentBytes = 4 << 20

// Recent has the last events that were stored as they were made, so that the stages
// behind normalizing in the same process need not decode them again. It is for use by
// several goroutines, which must not change the events. The zero value is empty; a nil
// Recent takes nothing.
type Recent struct {
	mu     sync.Mutex
	events map[recentKey]recentEvent
	order  []recentKey // oldest first
	size   int         // bytes of JSON
}

type recentKey struct {
	raw   stream.Position
	index int
}

type recentEvent struct {
	data  []byte
	event *call.Event
}

// Add takes events that are about to be stored, made by e.JSON. Neither is changed after that.
func (r *Recent) Add(stored []stream.Event, events []call.Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[recentKey]recentEvent{}
	}
	for i := range stored {
		key := recentKey{stored[i].Raw, stored[i].Index}
		if _, have := r.events[key]; have || len(stored[i].Data) > recentBytes/4 {
			continue
		}
		r.events[key] = recentEvent{stored[i].Data, &events[i]}
		r.order = append(r.order, key)
		r.size += len(stored[i].Data)
	}
	for r.size > recentBytes {
		oldest := r.order[0]
		r.order = r.order[1:]
		r.size -= len(r.events[oldest].data)
		delete(r.events, oldest)
	}
}

// Event is the event of a message; nil where it is not among the last ones, or where
// something else was stored, as of a call that was renamed or erased.
func (r *Recent) Event(m *stream.Message) *call.Event {
	if r == nil {
		return nil
	}
	raw, index, ok := m.Raw()
	if !ok {
		return nil
	}
	r.mu.Lock()
	e := r.events[recentKey{raw, index}]
	r.mu.Unlock()
	if e.event == nil || !bytes.Equal(e.data, m.Data) {
		return nil
	}
	return e.event
}
