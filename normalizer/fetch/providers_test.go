package fetch_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/normalizer/providerfake"
)

// TestProviders fetches what each provider reports of a call after its end, from the
// webhook to the figures that only the report has.
func TestProviders(t *testing.T) {
	for name, o := range apis(t) {
		t.Run(name, func(t *testing.T) {
			f := newFar(t, o)
			if f.provider.REST == nil {
				t.Fatal("settings for REST, but nothing to ask for")
			}
			calls := f.api.Make(24, providerfake.Making{First: f.now(), Delay: func(r *rand.Rand) time.Duration {
				return time.Duration(10+r.IntN(50)) * time.Second
			}})
			outcomes := map[fetch.Outcome]int{}
			for i := range calls {
				f.fetchCall(t, &calls[i], outcomes)
			}
			if outcomes[fetch.NotYet]+outcomes[fetch.Partial] == 0 || outcomes[fetch.Ready] == 0 {
				t.Errorf("outcomes %v, want some of each", outcomes)
			}
		})
	}
}

// fetchCall asks before the report is there and after, and folds what comes.
func (f *far) fetchCall(t *testing.T, c *providerfake.Call, outcomes map[fetch.Outcome]int) {
	t.Helper()
	var known call.Call
	pushed := f.events(t, normalizer.Pushed, c.Webhook.ContentType, c.Webhook.Body, "")
	for i := range pushed {
		known.Fold(&pushed[i], call.PreferProvider)
	}
	if known.Key().CallID != c.ID {
		t.Fatalf("the webhook is about %s, want %s", known.CallID, c.ID)
	}
	checkFigures(t, &known, c, false)
	asks := f.provider.REST.Wants(&pushed[0], f.keys)
	if len(asks) == 0 {
		t.Fatalf("%s: nothing is asked for", c.ID)
	}
	f.askAll(t, asks, &known, outcomes)
	if ahead := c.ReadyAt.Sub(f.now()); ahead > 0 {
		f.add(ahead)
	}
	if got := f.askAll(t, asks, &known, outcomes); got != len(asks) {
		t.Errorf("%s: %d of %d requests answered in full", c.ID, got, len(asks))
	}
	checkFigures(t, &known, c, true)
	if !f.provider.REST.Complete(&known.Event) && c.Early == nil {
		t.Errorf("%s: not complete after all answers: %+v", c.ID, known.Event)
	}
	if f.provider.Unsigned && known.EndedAt.IsZero() {
		t.Errorf("%s: confirmed, and yet without its end", c.ID)
	}
	if left := f.provider.REST.Wants(&known.Event, f.keys); f.provider.Unsigned && len(left) != 0 && left[0].ID() != asks[0].ID() {
		t.Errorf("%s: asks for something else: %v", c.ID, left)
	}
}

func (f *far) askAll(t *testing.T, asks []normalizer.Ask, known *call.Call, outcomes map[fetch.Outcome]int) (ready int) {
	t.Helper()
	for _, ask := range asks {
		text, err := json.Marshal(ask)
		if err != nil {
			t.Fatal(err)
		}
		var stored normalizer.Ask
		if err := json.Unmarshal(text, &stored); err != nil || stored.ID() != ask.ID() {
			t.Fatalf("an ask does not survive being stored: %s, %v", text, err)
		}
		a, err := f.client.Do(context.Background(), stored)
		if err != nil {
			t.Fatal(err)
		}
		switch outcomes[a.Outcome]++; a.Outcome {
		case fetch.Ready, fetch.Partial:
			fetched := f.events(t, normalizer.Fetched, a.ContentType, a.Body, ask.CallID)
			for i := range fetched {
				known.Fold(&fetched[i], call.PreferProvider)
			}
			if a.Outcome == fetch.Ready {
				ready++
			}
		case fetch.NotYet:
			if a.Body != nil {
				t.Errorf("a body that says nothing was kept: %s", a.Body)
			}
		default:
			t.Fatalf("%s: %s, %s", ask.Path, a.Outcome, a.Reason)
		}
	}
	return ready
}

func (f *far) events(t *testing.T, source normalizer.Source, contentType string, body []byte, callID string) []call.Event {
	t.Helper()
	events, err := normalizer.Events(f.provider, &normalizer.Body{
		Provider: f.provider.Name, Source: source, ContentType: contentType, Bytes: body, CallID: callID, ReceivedAt: f.now(), RawID: "1.0",
	}, normalizer.Options{Fetches: true})
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(events) == 0 {
		t.Fatalf("no event of %s", body)
	}
	return events
}

// checkFigures holds what is known to what only the report tells.
func checkFigures(t *testing.T, known *call.Call, c *providerfake.Call, fetched bool) {
	t.Helper()
	if len(c.Figures) == 0 {
		t.Fatalf("%s: no figures to look for", c.ID)
	}
	for name, want := range c.Figures {
		field, ok := call.Lookup(name)
		if !ok {
			t.Fatalf("no field %s", name)
		}
		got, ok := field.Number(&known.Event)
		if ok != fetched || fetched && math.Abs(got-want) > 0.01 {
			t.Errorf("%s: %s is %v (known: %t), want %v after the report alone", c.ID, name, got, ok, want)
		}
	}
}

// TestLists pages through every list of every provider: each call once, none
// from before, and nothing is left out of what can be fetched.
func TestLists(t *testing.T) {
	const made, wanted, every = 460, 120, 2 * time.Minute
	// Where the newest come first, reading ends at the first page without a call that is wanted.
	ends := map[string]int{"voice_sdk_call_reports": 3, "conversation": 2, "calls": 3}
	for name, o := range apis(t) {
		f := newFar(t, o)
		first := f.now().Add(-23 * time.Hour) // call_events has one day
		f.api.Make(made, providerfake.Making{First: first, Every: every})
		calls := f.api.Calls()
		since := first.Add((made - wanted) * every)
		lists := f.provider.REST.Calls(f.keys)
		if len(lists) == 0 {
			t.Errorf("%s: no list", name)
		}
		for _, list := range lists {
			t.Run(name+" "+list.Name, func(t *testing.T) {
				seen, pages := f.page(t, list, since)
				if want := ends[list.Name]; want > 0 && pages != want {
					t.Errorf("%d pages read, want %d", pages, want)
				}
				for _, c := range calls {
					names := append([]string{c.ID}, c.Also...)
					times := 0
					for _, id := range names {
						times += seen[id]
					}
					switch {
					case times > 1:
						t.Errorf("call %s is listed %d times", c.ID, times)
					case times == 0 && !c.Ended.Before(since):
						t.Errorf("call %s of %s is missing", c.ID, c.Ended)
					}
				}
			})
		}
	}
}

// page reads a whole list and normalizes what it holds.
func (f *far) page(t *testing.T, list normalizer.Listing, since time.Time) (seen map[string]int, pages int) {
	t.Helper()
	names := map[string]bool{}
	for _, c := range f.api.Calls() {
		names[c.ID] = true
	}
	seen = map[string]int{}
	ask := list.First(since, f.now(), f.keys)
	for pages = 1; ; pages++ {
		a, err := f.client.List(context.Background(), ask)
		if err != nil || a.Outcome != fetch.Ready {
			t.Fatalf("page %d: %s, %s, %v", pages, a.Outcome, a.Reason, err)
		}
		page, err := list.Page(ask, a.Body, since, f.keys)
		if err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		for i, l := range page.Calls {
			seen[l.CallID]++
			if !names[l.CallID] && l.SessionID == "" {
				t.Errorf("webhooks do not know the call as %s, and nothing says so", l.CallID)
			}
			if l.At.IsZero() || !l.Over {
				t.Errorf("call %s: at %s, over %t", l.CallID, l.At, l.Over)
			}
			events := f.events(t, normalizer.Imported, "application/json", l.Body, l.CallID)
			if events[0].OccurredAt.Equal(f.now()) {
				t.Errorf("call %s is not known to have been in the past: %s", l.CallID, l.Body)
			}
			for _, more := range l.Asks {
				if a, err := f.client.Do(context.Background(), more); i == 0 && (err != nil || a.Outcome != fetch.Ready) {
					t.Errorf("%s: %s, %s, %v", more.Path, a.Outcome, a.Reason, err)
				}
			}
		}
		if page.Next == nil {
			if pages < 2 {
				t.Errorf("only %d page", pages)
			}
			return seen, pages
		}
		if ask = *page.Next; pages > 20 {
			t.Fatal("the list does not end")
		}
	}
}

// TestBatch joins what a provider can answer at once, and falls back to one by
// one where the joined answer makes no sense.
func TestBatch(t *testing.T) {
	f := newFar(t, fakeOf{"atoms", ""})
	calls := f.api.Make(130, providerfake.Making{First: f.now().Add(-time.Hour), Every: time.Second})
	var asks []normalizer.Ask
	for i := range calls {
		ended := f.events(t, normalizer.Pushed, calls[i].Webhook.ContentType, calls[i].Webhook.Body, "")
		asks = append(asks, f.provider.REST.Wants(&ended[0], f.keys)...)
	}
	asks = append(asks, normalizer.Ask{Path: "/conversation/CALL-unknown", CallID: "CALL-unknown"})
	answers, err := f.client.DoAll(context.Background(), asks)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers[:130] {
		if a.Outcome != fetch.Ready {
			t.Fatalf("%s: %s, %s", asks[i].CallID, a.Outcome, a.Reason)
		}
		if got := f.events(t, normalizer.Fetched, a.ContentType, a.Body, asks[i].CallID)[0].CallID; got != calls[i].ID {
			t.Errorf("the answer about %s is about %s", calls[i].ID, got)
		}
	}
	if got := answers[130].Outcome; got != fetch.NotYet {
		t.Errorf("a call that is not known: %s", got)
	}
	if got := len(f.api.Requests()); got != 2 {
		t.Errorf("%d requests for 131 calls, want 2", got)
	}
	odd := normalizer.Ask{Path: "/conversation/x"}
	answers, err = f.client.DoAll(context.Background(), []normalizer.Ask{odd, asks[1], asks[2], asks[1]})
	if err != nil || answers[0].Outcome != fetch.NotYet || answers[2].Outcome != fetch.Ready || answers[3].Outcome != fetch.Ready {
		t.Errorf("with one that cannot be joined: %v, %+v", err, answers)
	}
	if got := len(f.api.Requests()) - 2; got != 3 {
		t.Errorf("%d requests, want one for two calls, and two alone", got)
	}
}
