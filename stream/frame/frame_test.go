package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func record(i int) Record {
	return Record{
		Provider: "acme", Source: "webhook", ContentType: "application/json", Key: "k1", CallID: fmt.Sprint("call-", i),
		Header:     map[string]string{"X-Signature": "abc"},
		ReceivedAt: time.Date(2025, 3, 1, 12, 0, 0, i, time.UTC),
		Body:       fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, strings.Repeat("x", i%50)),
	}
}

// What is handed over is what would be read back.
func TestAsStored(t *testing.T) {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	at := Position{Seq: 7, Index: 3}
	now := time.Now()
	for name, r := range map[string]Record{
		"full":       record(4),
		"empty":      {},
		"no headers": {Provider: "acme", Header: map[string]string{}, Body: []byte("x")},
		"clock":      {Provider: "acme", ReceivedAt: now.In(time.FixedZone("far", 3600)), Body: []byte("x")},
		"replay":     {Replays: Position{Seq: 2}, CountsAt: now, Header: map[string]string{"a": "b"}, Body: []byte("x")},
		"live replay": {
			Replays: Position{Seq: 2, Index: 1}, Body: []byte("x"),
		},
		"counts at without a replay": {CountsAt: now, Body: []byte("x")},
	} {
		read, err := c.Decode(c.Encode(nil, AppendRecord(nil, &r), 1))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		read[0].At = at
		got := r.AsStored(at)
		if diff := cmp.Diff(read[0], got); diff != "" {
			t.Errorf("%s (-read back +handed over):\n%s", name, diff)
		}
		if got.ReceivedAt != read[0].ReceivedAt || got.CountsAt != read[0].CountsAt {
			t.Errorf("%s: times are not the same values: %#v, %#v", name, got, read[0])
		}
	}
}

func FuzzFrame(f *testing.F) {
	c, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	r := record(3)
	small := AppendRecord(nil, &r)
	f.Add(c.Encode(nil, small, 1))
	f.Add(c.Encode(nil, bytes.Repeat(small, 20), 20))
	f.Add(c.Empty(0))
	f.Add(c.Empty(Lost))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := c.Decode(data); err == nil && len(data) < HeaderSize+TrailerSize {
			t.Error("accepted", data)
		}
		// The same bytes under a right checksum reach the parser.
		records, err := c.Decode(c.seal(bytes.Clone(data)))
		if err != nil {
			if records != nil {
				t.Error("records beside an error")
			}
			return
		}
		var payload []byte
		for i := range records {
			payload = AppendRecord(payload, &records[i])
		}
		again, err := c.Decode(c.Encode(nil, payload, len(records)))
		if err != nil || len(again) != len(records) {
			t.Errorf("%d records came back as %d, %v", len(records), len(again), err)
		}
	})
}
