package calls

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callwatch/call"
)

var t0 = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// typicalEnd is the end of a call with what a provider reports.
func typicalEnd(i int, at time.Time) call.Event {
	e := call.Event{Identity: call.Identity{Provider: "p", CallID: fmt.Sprintf("7c2f1a90-93d4-4e0b-a1c5-%012d", i), Kind: call.Ended}}
	e.ID = "acme:" + e.CallID + ":ended"
	e.OccurredAt, e.ReceivedAt, e.EndedAt, e.Final = at.Add(-time.Second), at, at.Add(-time.Second), true
	e.Direction, e.Status, e.Answered = call.Outbound, call.Completed, new(true)
	e.From, e.To = "+14155550123", fmt.Sprintf("+44207946%04d", i%10_000)
	e.DurationSec, e.PacketsReceived, e.PacketsLost = new(float64(i%600)), new(int64(5000+i%1000)), new(int64(i%7))
	e.JitterMs, e.RTTMs, e.SIPCode, e.Codec = new(float64(i%90)/7), new(float64(40+i%50)), new(int64(200)), "opus"
	e.MOS, e.MOSSource = new(4+float64(i%97)/200), call.FromProvider
	e.Raw = map[string]any{"CallSid": e.CallID, "To": e.To, "ApiVersion": "2010-04-01", "Url": "https://recordings.example/" + strings.Repeat("r", 300)}
	return e
}

// fold folds an event into its call, begun where it is not in the cache.
func fold(c *Cache, at time.Time, e *call.Event, text []byte) {
	cs := c.Get(e.Key())
	if cs == nil {
		cs = &State{Key: e.Key(), Call: &call.Call{}}
	} else {
		c.Load(cs)
	}
	c.Fold(cs, e, text, at)
}

// The cache is a map of calls, whatever is put, loaded, evicted and removed in
// whatever order.
func TestCallCacheIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, want := New(call.Folding{}), map[call.Key]string{}
		c.Capacity = rapid.IntRange(0, 4).Draw(t, "capacity")
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			n := rapid.IntRange(0, 8).Draw(t, "call")
			e := typicalEnd(n, t0)
			if n%3 == 0 {
				e.Provider = "other"
			}
			key, cs := e.Key(), c.Get(e.Key())
			if (cs != nil) != (want[key] != "") {
				t.Fatalf("call %d is there: %v", n, cs != nil)
			}
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				e.Codec = rapid.SampledFrom([]string{"opus", "pcmu", "g722"}).Draw(t, "codec")
				c.put(&State{Key: key, Call: &call.Call{Event: e}})
				want[key] = e.Codec
			case 1:
				if cs != nil {
					c.Remove(cs)
					delete(want, key)
				}
			case 2:
				if cs != nil {
					codec := rapid.SampledFrom([]string{"opus", "pcma"}).Draw(t, "change")
					c.Load(cs).Call.Codec, cs.evicted, want[key] = codec, nil, codec
				}
			case 3:
				if found := c.Forget(key); cs != nil && !found {
					t.Fatal("a call that is there is not found")
				}
				delete(want, key)
			}
			c.Evict()
		}
		if c.hot.Len() > c.Capacity || len(c.calls) != len(want) {
			t.Fatalf("%d calls, %d hot, want %d and at most %d", len(c.calls), c.hot.Len(), len(want), c.Capacity)
		}
		for key, codec := range want {
			if got := c.Facts(c.Get(key)); got.Codec != codec || got.Key() != key {
				t.Fatalf("%v: %s of %v, want %s", key, got.Codec, got.Key(), codec)
			}
		}
	})
}

// A call that is kept as its events is the same as one that was never evicted, whatever
// events came, whether all their texts are known, and how many there are.
func TestCallKeptAsItsEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		folding := call.Folding{Prefer: call.PreferWorst}
		c, never := New(folding), call.Call{}
		c.Capacity = 0
		kept := 0
		for i := range rapid.IntRange(1, 12).Draw(t, "events") {
			at := t0.Add(time.Duration(i) * time.Minute)
			e := typicalEnd(1, at.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "late"))*time.Second))
			e.ID = fmt.Sprint("acme:", rapid.IntRange(0, 9).Draw(t, "id"))
			e.Kind = rapid.SampledFrom([]call.Kind{call.Progress, call.Stats, call.Ended, call.Report}).Draw(t, "kind")
			e.MOS, e.MOSEstimate = new(rapid.Float64Range(1, 5).Draw(t, "mos")), new(rapid.Float64Range(1, 5).Draw(t, "estimate"))
			e.MOSSource = rapid.SampledFrom([]string{call.FromProvider, call.Estimated}).Draw(t, "source")
			e.Tags = rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "tags")
			e.Raw["note"] = rapid.String().Draw(t, "note") + strings.Repeat("x", rapid.SampledFrom([]int{0, 30_000}).Draw(t, "long"))
			e.Intervals = []call.Interval{{Start: at, End: at.Add(time.Second), JitterMs: new(rapid.Float64Range(0, 90).Draw(t, "jitter"))}}
			text, err := e.JSON()
			if err != nil {
				t.Fatal(err)
			}
			e = call.Event{}
			if err := call.ReadEvent(text, &e); err != nil {
				t.Fatal(err)
			}
			never.FoldWith(&e, folding)
			if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
				text = nil
			}
			fold(c, at, &e, text)
			c.Evict()
			cs := c.Get(e.Key())
			if cs.Call != nil {
				t.Fatal("not evicted")
			}
			got, texts := c.factsAndTexts(cs)
			want, err := never.AppendState(nil)
			if err != nil {
				t.Fatal(err)
			}
			if have, err := got.AppendState(nil); err != nil || string(have) != string(want) {
				t.Fatalf("after %d events, %d kept as texts: %v\n%s\nwant\n%s", i+1, len(texts), err, have, want)
			}
			kept = max(kept, len(texts))
		}
		if kept > maxTexts {
			t.Fatalf("%d events kept", kept)
		}
	})
}

// The text of an event that a call had before, of which the text was not known then, is not
// taken for that of the call.
func TestRepeatedEventIsNotKeptAsText(t *testing.T) {
	c := New(call.Folding{})
	c.Capacity = 0
	first := typicalEnd(1, t0)
	fold(c, t0, &first, nil)
	again := typicalEnd(1, t0)
	again.Codec = "g722"
	text, err := again.JSON()
	if err != nil {
		t.Fatal(err)
	}
	fold(c, t0, &again, text)
	c.Evict()
	if got := c.Facts(c.Get(first.Key())); got.Codec != first.Codec {
		t.Errorf("codec %s, want that of the first: %s", got.Codec, first.Codec)
	}
}

// Where the dictionary of a provider was made of a call's events, forgetting the call makes another one.
func TestForgottenCallIsInNoDictionary(t *testing.T) {
	for _, id := range []string{"plain", "a<b>&c", "line\u2028separator", `quote"back\slash`, "caf\u00e9"} {
		c := New(call.Folding{})
		c.Capacity = 0
		e := typicalEnd(1, t0)
		e.CallID = id
		text, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		fold(c, t0, &e, text)
		c.Evict()
		if d := c.dictionaries[e.Provider]; d == nil || !strings.Contains(string(d.text), e.To) {
			t.Fatalf("%s: not in the dictionary", id)
		}
		if c.Forget(e.Key()); c.dictionaries[e.Provider] != nil {
			t.Errorf("%s: the dictionary still has it", id)
		}
	}
}

// A call that is loaded and does not change is not compressed again.
func TestEvictedAgain(t *testing.T) {
	c := New(call.Folding{})
	c.Capacity = 0
	e := typicalEnd(1, t0)
	fold(c, t0, &e, nil)
	c.Evict()
	cs := c.Get(e.Key())
	if cs == nil || cs.Call != nil || len(cs.evicted) == 0 {
		t.Fatal("the call is not evicted")
	}
	before := &cs.evicted[0]
	if c.Load(cs); cs.Call == nil {
		t.Fatal("the call is not loaded")
	}
	if c.Evict(); cs.Call != nil || &cs.evicted[0] != before {
		t.Error("not evicted, or compressed again")
	}
	later := typicalEnd(1, t0.Add(time.Minute))
	later.ID, later.Kind, later.To = "other", call.Report, "+15550100"
	fold(c, t0.Add(time.Minute), &later, nil)
	c.Evict()
	if got := c.Facts(cs); got.To != "+15550100" || cs.Call != nil {
		t.Errorf("to %q: what was folded since is lost; evicted %v", got.To, cs.Call == nil)
	}
}
