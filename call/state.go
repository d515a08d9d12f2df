package call

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// AppendState appends everything that is known of the call as JSON, in the form
// that ReadState reads. Facts are named, so a build with other fields reads it too:
// what only one of the two builds knows is absent. Numbers that JSON does not have
// (infinite ones) are absent as well.
func (c *Call) AppendState(b []byte) ([]byte, error) {
	text, err := json.Marshal(c, stateOptions())
	if err != nil {
		text, err = json.Marshal(c.finite(), stateOptions())
	}
	return append(b, text...), err
}

// finite returns a copy of the call without facts that are no finite numbers.
func (c *Call) finite() *Call {
	out := *c
	infinite := func(v float64) bool { return math.IsInf(v, 0) || math.IsNaN(v) }
	for _, f := range fieldTable() {
		if v, ok := f.Number(&out.Event); ok && infinite(v) {
			*at[*float64](f.slot, &out.Event) = nil
		}
	}
	out.Scores = slices.DeleteFunc(slices.Clone(c.Scores), func(s Score) bool { return infinite(s.MOS) })
	return &out
}

func stateOptions() json.Options {
	return json.JoinOptions(json.Deterministic(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// ReadState replaces the call with what AppendState wrote.
func (c *Call) ReadState(text []byte) error {
	*c = Call{}
	return json.Unmarshal(text, c, stateOptions())
}

// sourceJSON is the stored form of sources: an event and the fields whose values
// came from it.
type sourceJSON struct {
	stamp
	Fields []string `json:"f"`
}

// MarshalJSONTo writes sources by field name: places in the field table change
// from build to build.
func (s sources) MarshalJSONTo(to *jsontext.Encoder) error {
	list := make([]sourceJSON, len(s.Stamps))
	for i, st := range s.Stamps {
		list[i].stamp = st
	}
	table := fieldTable()
	for i, place := range s.Of {
		if place > 0 && int(place) <= len(list) && i < len(table) {
			list[place-1].Fields = append(list[place-1].Fields, table[i].Name)
		}
	}
	used := list[:0]
	for _, source := range list {
		if len(source.Fields) > 0 {
			used = append(used, source)
		}
	}
	return json.MarshalEncode(to, used)
}

// UnmarshalJSONFrom reads what MarshalJSONTo wrote. Names that this build does not
// know are skipped.
func (s *sources) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	var list []sourceJSON
	if err := json.UnmarshalDecode(from, &list); err != nil {
		return err
	}
	*s = sources{}
	places := fieldPlaces()
	for _, source := range list[:min(len(list), maxStamps)] {
		var place byte
		for _, name := range source.Fields {
			if i, known := places[name]; known {
				if place == 0 {
					place = s.add(source.stamp, len(places))
				}
				s.Of[i] = place
			}
		}
	}
	return nil
}
