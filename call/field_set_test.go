package call

import (
	"reflect"
	"testing"
	"time"
)

// What Set is given, Value returns; a value of another type changes nothing.
func TestFieldSet(t *testing.T) {
	values := []any{1.5, int64(7), true, "x", time.Unix(5, 0).UTC(), []string{"a", "b"}}
	for _, f := range Fields() {
		var fits int
		for _, v := range values {
			var e Event
			if !f.Set(&e, v) {
				if f.Set(&e, nil); !reflect.DeepEqual(e, Event{}) {
					t.Errorf("%s: %T was refused and changed the event", f.Name, v)
				}
				continue
			}
			fits++
			if got := f.Value(&e); !reflect.DeepEqual(got, v) {
				t.Errorf("%s: set %v, got %v", f.Name, v, got)
			}
			if f.Set(&e, nil); !reflect.DeepEqual(e, Event{}) {
				t.Errorf("%s: nil leaves %+v", f.Name, e)
			}
		}
		if want := f.Type != List && f.Type != Object; (fits == 1) != want {
			t.Errorf("%s of type %s takes %d of the values", f.Name, f.Type, fits)
		}
	}
}
