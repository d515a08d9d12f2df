package eventlog

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"callwatch/call"
)

// written is an event as published, with one member of each kind.
const written = `{"id":"p:1","provider":"p","kind":"ended","callId":"c","tags":["a"],"occurredAt":"2026-11-01T12:00:00.25Z","final":true,` +
	`"packetsLost":3,"mos":4.4,"intervals":[{"start":"2026-11-01T12:00:00Z","end":"2026-11-01T12:00:05.25Z","packetsReceived":248,"packetsLost":-2,` +
	`"packetLossPct":0.8064516129032258,"held":true,"rFactor":91.9,"mos":4.1},{}],"counters":{"first":{"packetsLost":1},"last":{},"sum":{},"resets":1},` +
	`"raw":{"a":[1,null,{"b":"c"}]},"rawId":"1.0"}`

// decodesLikeEncodingJSON checks that an event is read as encoding/json reads it,
// and refused where encoding/json refuses it.
func decodesLikeEncodingJSON(t *testing.T, text []byte) {
	t.Helper()
	for _, raw := range []bool{true, false} {
		var want, got call.Event
		wantErr := json.Unmarshal(text, &want)
		err := Decode(text, raw, &got)
		if (err == nil) != (wantErr == nil) && (raw || err != nil) { // what is not decoded is not checked either
			t.Errorf("raw %v, %s: %v, encoding/json says %v", raw, text, err, wantErr)
		}
		if want.Raw = nil; raw {
			_ = json.Unmarshal(text, &want)
		}
		if err == nil && wantErr == nil && !reflect.DeepEqual(want, got) {
			t.Errorf("raw %v, %s\nread %+v\nwant %+v", raw, text, got, want)
		}
	}
}

func TestDecodeLikeEncodingJSON(t *testing.T) {
	decodesLikeEncodingJSON(t, []byte(written))
	for i, change := range [][2]string{
		{`{"id"`, ` {"id"`},
		{`{"id"`, `{ "id"`},
		{`"p:1",`, `"p:1" ,`},
		{`"p:1",`, `"p:1",,`},
		{`"id"`, `"ID"`},
		{`"packetsLost":3`, `"PACKETSLOST":3`},
		{`"id":"p:1",`, `"unknown":1,"id":"p:1",`},
		{`"id":"p:1","provider":"p"`, `"provider":"p","id":"p:1"`},
		{`"mos":4.4`, `"mos":4.4,"mos":3`},
		{`"mos":4.4`, `"mos":4.4,"mos":null`},
		{`4.4`, `04.4`},
		{`4.4`, `4.`},
		{`4.4`, `.4`},
		{`4.4`, `+4`},
		{`4.4`, `-`},
		{`4.4`, `4e`},
		{`4.4`, `1e999`},
		{`4.4`, `null`},
		{`4.4`, `"4.4"`},
		{`4.4`, `NaN`},
		{`4.4`, `0x4`},
		{`:3,`, `:3.0,`},
		{`:3,`, `:99999999999999999999,`},
		{`true`, `truth`},
		{`true`, `True`},
		{`["a"]`, `["a",]`},
		{`["a"]`, `[,"a"]`},
		{`["a"]`, `["a"`},
		{`["a"]`, `[1]`},
		{`["a"]`, `{"a":1}`},
		{`["a"]`, `null`},
		{`"c"}]}`, `"c"]}}`},
		{`{"b":"c"}`, `{"b" "c"}`},
		{`{"b":"c"}`, `{b:"c"}`},
		{`[1,null`, `[1,nul`},
		{`"c"}]`, "\"\n\"}]"},
		{`"c"}]`, "\"\xff\"}]"},
		{`"c"}]`, `"\x"}]`},
		{`"c"}]`, `"\ud800"}]`},
		{`"1.0"}`, `"1.0"},`},
		{`"1.0"}`, `"1.0`},
		{`"id":"p:1"`, "\"id\":\"p:\xff\""},
		{`{"b":"c"}`, strings.Repeat("[", 200) + strings.Repeat("]", 200)},
		{`"2026-11-01T12:00:00.25Z"`, `null`},
		{`"2026-11-01T12:00:00.25Z"`, `"2026-11-01"`},
		{`"2026-11-01T12:00:00.25Z"`, `"2026-11-01T12:00:00+01:00"`},
		{`"2026-11-01T12:00:00.25Z"`, `5`},
		{`,{}]`, `,null]`},
		{`"held":true`, `"held":"yes"`},
		{`"mos":4.1`, `"mos":-0.0`},
		{`"packetsLost":-2`, `"packetsLost":-0`},
		{`"packetsLost":-2`, `"packetsLost":00`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			text := strings.Replace(written, change[0], change[1], 1)
			if text == written {
				t.Errorf("%s is not in the event", change[0])
			}
			decodesLikeEncodingJSON(t, []byte(text))
		})
	}
	for end := range len(written) {
		if Decode([]byte(written[:end]), true, new(call.Event)) == nil {
			t.Errorf("read: %s", written[:end])
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte(`{"from":"+14155550123","mos":4.4,"answered":false,"tags":["a","é"],"raw":{"ü":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, data []byte) { decodesLikeEncodingJSON(t, data) })
}

func BenchmarkDecode(b *testing.B) {
	for _, raw := range []bool{true, false} {
		b.Run(fmt.Sprintf("raw=%v", raw), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var e call.Event
				if err := Decode([]byte(written), raw, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
