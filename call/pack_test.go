package call

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// filled is a value with something in each of its fields, whatever fields there
// are: one that is forgotten in packing is missed.
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

func repacked(t testing.TB, c Call) Call {
	t.Helper()
	var back Call
	if err := back.Unpack(c.Key(), c.AppendPacked(nil)); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestPackEveryField(t *testing.T) {
	var c Call
	filled(t, reflect.ValueOf(&c).Elem(), new(int))
	if diff := cmp.Diff(c, repacked(t, c), comparing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Call{}, repacked(t, Call{}), comparing); diff != "" {
		t.Error(diff)
	}
}

// A packed call is the one that its JSON would have given, whatever was folded.
func TestPackFolded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Call
		for i := range rapid.IntRange(0, 5).Draw(t, "events") {
			e := Event{Identity: Identity{ID: rapid.String().Draw(t, "id"), Provider: "acme", CallID: "1", Final: i == 4}}
			e.Kind = rapid.SampledFrom([]Kind{Progress, Stats, Ended, Report}).Draw(t, "kind")
			second := rapid.Int64Range(-62135596800, 253402300799) // what RFC 3339 can say
			e.OccurredAt = time.Unix(second.Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano")).UTC()
			if east := rapid.IntRange(-12, 12).Draw(t, "east"); i%2 == 1 && e.OccurredAt.Year() > 1 && e.OccurredAt.Year() < 9999 {
				e.StartedAt = e.OccurredAt.In(time.FixedZone("", east*1800))
			}
			e.RTTMs, e.MOS = new(rapid.Float64().Draw(t, "rtt")), new(rapid.Float64Range(1, 5).Draw(t, "mos"))
			e.PacketsLost, e.Answered = new(rapid.Int64().Draw(t, "lost")), new(rapid.Bool().Draw(t, "answered"))
			e.Tags = rapid.SliceOf(rapid.String()).Draw(t, "tags")
			e.Raw = map[string]any{rapid.String().Draw(t, "name"): rapid.Float64().Draw(t, "value"), "x": json.Number("12")}
			c.Fold(&e, PreferProvider)
		}
		c.Provider, c.CallID = "acme", "1"
		packed := c.AppendPacked(nil)
		var back Call
		if err := back.Unpack(c.Key(), packed); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatal(diff)
		}
		for n := range packed { // a part of it is damage, never a panic
			if err := back.Unpack(c.Key(), packed[:n]); err == nil {
				t.Fatalf("%d of %d bytes are read as a call", n, len(packed))
			}
		}
	})
}

// Damage may give another call, never a panic or much memory.
func FuzzUnpack(f *testing.F) {
	var c Call
	c.Fold(&Event{Identity: Identity{ID: "1", Provider: "acme", CallID: "1", Kind: Ended}, Raw: map[string]any{"a": []any{1.0, "x"}}}, PreferProvider)
	f.Add(c.AppendPacked(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Call
		_ = c.Unpack(Key{"acme", "1"}, data)
	})
}
