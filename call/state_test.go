package call

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// filled is a value with something in each of its fields, whatever fields there
// are: one that is lost in the stored state is noticed.
func filled(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_750_000_000+int64(*n), int64(*n)).UTC()))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{
			"text": "x", "number": 0.1, "whole": -7.0, "yes": true, "no": false, "none": nil, "big": 1e300,
			"list": []any{"a", []any{}, map[string]any{}}, "object": map[string]any{"": "", "b": map[string]any{"c": 1.5}},
		}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(t, v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			filled(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			filled(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			filled(t, key, n)
			filled(t, value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(string(rune('a'+*n%26)) + "-text")
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) - 40)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 250))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 7)
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("no value for a %s", v.Type())
	}
}

var comparing = cmp.Options{cmp.AllowUnexported(stamp{}, sources{})}

// restored is the call read back from its state.
func restored(t interface{ Fatal(...any) }, c Call) Call {
	text, err := c.AppendState(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back Call
	if err := back.ReadState(text); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestStateHasEveryField(t *testing.T) {
	var c Call
	filled(t, reflect.ValueOf(&c).Elem(), new(int))
	c.Sources = sources{}
	for i := range Fields() {
		c.Sources.Stamps = append(c.Sources.Stamps, stamp{Stats, time.Unix(int64(i), 0).UTC()})
		c.Sources.Of = append(c.Sources.Of, byte(i+1))
	}
	if diff := cmp.Diff(c, restored(t, c), comparing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Call{}, restored(t, Call{}), comparing); diff != "" {
		t.Error(diff)
	}
}

// A call folds further events in the same way whether its state was stored in
// between or not.
func TestStateOfFoldedCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c, stored Call
		for i := range rapid.IntRange(0, 5).Draw(t, "events") {
			e := Event{Identity: Identity{ID: rapid.String().Draw(t, "id"), Provider: "acme", CallID: "1", Final: i == 4}}
			e.Kind = rapid.SampledFrom([]Kind{Progress, Stats, Ended, Report}).Draw(t, "kind")
			second := rapid.Int64Range(-62135596800, 253402300799) // what RFC 3339 can express
			e.OccurredAt = time.Unix(second.Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano")).UTC()
			if east := rapid.IntRange(-12, 12).Draw(t, "east"); i%2 == 1 && e.OccurredAt.Year() > 1 && e.OccurredAt.Year() < 9999 {
				e.StartedAt = e.OccurredAt.In(time.FixedZone("", east*1800))
			}
			e.RTTMs, e.MOS = new(rapid.Float64().Draw(t, "rtt")), new(rapid.Float64Range(1, 5).Draw(t, "mos"))
			e.PacketsLost, e.Answered = new(rapid.Int64().Draw(t, "lost")), new(rapid.Bool().Draw(t, "answered"))
			e.Tags = rapid.SliceOf(rapid.String()).Draw(t, "tags")
			e.Raw = map[string]any{rapid.String().Draw(t, "name"): rapid.Float64().Draw(t, "value")}
			c.Fold(&e, PreferProvider)
			stored.Fold(&e, PreferProvider)
			stored = restored(t, stored)
		}
		want, err := json.Marshal(restored(t, c))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The state of a call is read by builds with other fields: each fact keeps its
// value and its source, one that this build does not know is skipped.
func TestStateOfAnotherBuild(t *testing.T) {
	text := `{"id":"1","provider":"acme","kind":"ended","callId":"1","newMetric":7,"rttMs":20,"jitterMs":3,"events":2,` +
		`"latest":{"k":"ended","t":"2026-11-01T12:00:00Z"},"sources":[` +
		`{"k":"report","t":"2026-11-01T12:05:00Z","f":["newMetric","jitterMs"]},{"k":"stats","t":"2026-11-01T11:00:00Z","f":["rttMs"]}]}`
	var c Call
	if err := c.ReadState([]byte(text)); err != nil {
		t.Fatal(err)
	}
	earlier := &Event{Identity: Identity{ID: "2", Provider: "acme", CallID: "1", Kind: Ended, OccurredAt: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}}
	earlier.RTTMs, earlier.JitterMs = new(30.0), new(9.0)
	c.Fold(earlier, PreferProvider)
	if *c.RTTMs != 30 || *c.JitterMs != 3 {
		t.Errorf("rttMs %v, jitterMs %v: want the end's 30 over the flush's 20, and the report's 3 to stay", *c.RTTMs, *c.JitterMs)
	}
}

// Facts that are no finite numbers are unknown in the state; the others stay.
func TestStateWithoutInfiniteNumbers(t *testing.T) {
	c := Call{Event: Event{Identity: Identity{Provider: "acme", CallID: "1"}}}
	c.JitterMs, c.RTTMs, c.Cost = new(math.Inf(1)), new(20.0), new(math.NaN())
	c.Scores = []Score{{Source: Estimated, MOS: math.NaN()}, {Source: FromProvider, MOS: 4}}
	back := restored(t, c)
	if back.JitterMs != nil || back.Cost != nil || back.RTTMs == nil || *back.RTTMs != 20 || len(back.Scores) != 1 || back.Scores[0].MOS != 4 {
		t.Errorf("%+v, scores %+v", back.Facts, back.Scores)
	}
	if !math.IsInf(*c.JitterMs, 1) || len(c.Scores) != 2 {
		t.Error("the call in memory changed")
	}
}

// Damage gives another call or an error, never a panic.
func FuzzReadState(f *testing.F) {
	var c Call
	c.Fold(&Event{Identity: Identity{ID: "1", Provider: "acme", CallID: "1", Kind: Ended}, Raw: map[string]any{"a": []any{1.0, "x"}}}, PreferProvider)
	text, err := c.AppendState(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Call
		_ = c.ReadState(data)
		c.Fold(&Event{Identity: Identity{ID: "2", Provider: "acme", CallID: "1", Kind: Stats}, Facts: Facts{RTTMs: new(1.0)}}, PreferProvider)
	})
}
