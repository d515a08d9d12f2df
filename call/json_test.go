package call

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

// likeEncodingJSON checks that an event's JSON is that of encoding/json, byte for
// byte; only for bytes that are no UTF-8 the replacement character is not escaped.
func likeEncodingJSON(t *testing.T, e *Event) {
	t.Helper()
	want, wantErr := json.Marshal(e)
	got, err := e.JSON()
	if !bytes.Contains(got, []byte(`\ufffd`)) {
		want = bytes.ReplaceAll(want, []byte(`\ufffd`), []byte("\ufffd"))
	}
	if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
		t.Errorf("%v\ngot  %s %v\nwant %s %v", e.Raw, got, err, want, wantErr)
	}
}

func oddTexts() []string {
	return []string{
		"", "a", `"`, `\`, "<a href='x'>&amp;", "\x00\x1f\x7f\b\f\n\r\t", "é", "日本語", "\u2028\u2029", "\ufffd", "a\xff\xc0b", "😀", "{", "}",
	}
}

func oddNumbers() []float64 {
	return []float64{
		0, math.Copysign(0, -1), 1, -1, 0.5, 1.5, 100, 1e6, 1e-5, 1e-6, 1e-7, -9.5e-9, 1e-10, 123456.789, 1 << 53, 1<<53 + 2, -(1 << 53),
		1e20, 1e21, -1e21, 1e22, 1.5e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 4.4,
	}
}

func oddTimes() []time.Time {
	return []time.Time{
		{},
		time.Unix(0, 0), time.Unix(0, 0).UTC(), time.Date(2026, 11, 1, 12, 0, 0, 120000000, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.FixedZone("", 3600)), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 25*3600)), time.Now(),
	}
}

// Each field of an event and of what it holds, filled alone with what is odd of
// its type, is written as encoding/json writes it.
func TestEventJSONFieldByField(t *testing.T) {
	likeEncodingJSON(t, &Event{})
	tried := fillEach(t, reflect.TypeFor[Event](), func(fill func(reflect.Value)) {
		var e Event
		fill(reflect.ValueOf(&e).Elem())
		likeEncodingJSON(t, &e)
	})
	tried += fillEach(t, reflect.TypeFor[Interval](), func(fill func(reflect.Value)) {
		e := Event{Intervals: make([]Interval, 3)}
		fill(reflect.ValueOf(&e.Intervals[1]).Elem())
		likeEncodingJSON(t, &e)
	})
	if tried < 1000 {
		t.Errorf("%d events", tried)
	}
}

// fillEach calls with a function for each field of a struct and each value of it.
func fillEach(t *testing.T, typ reflect.Type, with func(fill func(reflect.Value))) (tried int) {
	t.Helper()
	for _, sf := range reflect.VisibleFields(typ) {
		if sf.Anonymous {
			continue
		}
		values := valuesOf(sf.Type)
		if len(values) < 2 {
			t.Errorf("%s: no values of type %v", sf.Name, sf.Type)
		}
		for _, v := range values {
			with(func(into reflect.Value) { into.FieldByIndex(sf.Index).Set(v) })
			tried++
		}
	}
	return tried
}

func valuesOf(t reflect.Type) (values []reflect.Value) {
	add := func(v any) { values = append(values, reflect.ValueOf(v).Convert(t)) }
	switch t {
	case reflect.TypeFor[*float64]():
		for _, f := range oddNumbers() {
			add(&f)
		}
	case reflect.TypeFor[*int64]():
		for _, i := range []int64{0, -1, 7, math.MaxInt64, math.MinInt64} {
			add(&i)
		}
	case reflect.TypeFor[*bool]():
		add(new(true))
		add(new(false))
	case reflect.TypeFor[bool]():
		add(true)
		add(false)
	case reflect.TypeFor[time.Time]():
		for _, at := range oddTimes() {
			add(at)
		}
	case reflect.TypeFor[[]string]():
		add([]string{})
		add(oddTexts())
	case reflect.TypeFor[[]Interval]():
		add([]Interval{})
		add([]Interval{{}, {MOS: new(1.0)}})
	case reflect.TypeFor[[]Turn]():
		add([]Turn{})
		add([]Turn{{}, {STTMs: new(0.0), LatencyMs: new(1.5)}})
	case reflect.TypeFor[*Counters]():
		add(&Counters{})
		add(&Counters{Start: time.Unix(1, 0).UTC(), Last: Reading{PacketsLost: new(int64(-1))}, Resets: 2, Segment: new(int64(1))})
	case reflect.TypeFor[map[string]any]():
		for _, v := range oddValues() {
			add(map[string]any{"v": v})
		}
		add(map[string]any{})
	default:
		for _, s := range oddTexts() {
			add(s)
		}
	}
	return values
}

func oddValues() []any {
	values := []any{
		nil, true, false, int64(7), 7, uint8(1), "1.50",
		[]string{"<"},
		map[string]int{"b": 1, "a": 2},
		[]any(nil),
		[]any{},
		map[string]any(nil),
		map[string]any{},
		[]byte("bytes"), new("p"), func() {}, json.RawMessage(`{ "a": "<" }`),
		[]any{1.0, []any{"x", nil}, map[string]any{"z": 1.0, "a": []any{map[string]any{"&": "&", "b": "\xff"}}, "": nil}},
		time.Unix(1, 0).UTC(),
		[]Interval{},
		[]Interval(nil),
		Event{},
	}
	deep := any("deep")
	for range 40 {
		deep = map[string]any{"b": []any{deep}, "a": 1.0}
	}
	members := map[string]any{}
	for _, s := range oddTexts() {
		values = append(values, s)
		members[s] = s
	}
	for _, f := range oddNumbers() {
		values = append(values, f)
	}
	return append(values, deep, members)
}

// FuzzEventJSON writes events of any kind.
func FuzzEventJSON(f *testing.F) {
	f.Add([]byte(`{"id":"p:1","provider":"p","kind":"ended","callId":"c"}`))
	f.Add([]byte(`{"from":"+14155550123","occurredAt":"2026-11-01T12:00:00.12Z","mos":4.4,"packetsLost":3,"answered":false,"final":true,"tags":["a","é"]}`))
	f.Add([]byte(`{"intervals":[{"start":"2026-11-01T12:00:00+01:00","mos":1.0,"packetsReceived":250},{}],"counters":{"stream":"s","resets":1}}`))
	f.Add([]byte(`{"raw":{"b":[1,2.5,1e-7,1e300,null,true,{"x":"<&>"}],"a":{},"":"\u2028","ü":"\ud800"},"rawId":"1.0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if json.Unmarshal(data, &e) == nil {
			likeEncodingJSON(t, &e)
		}
	})
}
