package call

import (
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// JSON is the event as published: one object with the names of the field table, the
// bytes that encoding/json writes, at a fraction of its cost. Unknown facts are
// absent.
func (e *Event) JSON() ([]byte, error) { return jsonv1.Marshal(e) }

// ReadEvent reads what JSON wrote, or others did, as encoding/json does: names in any case, the
// last one of two members with one name.
func ReadEvent(text []byte, e *Event) error {
	*e = Event{}
	return json.Unmarshal(text, e, jsonv1.DefaultOptionsV1())
}
