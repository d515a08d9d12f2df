package registry_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
)

// pageSeeds are pages as the providers answer, and what a hostile one would.
func pageSeeds() []string {
	return []string{
		`{"data":[{"id":"d","status":"delivered","started_at":"2026-11-01T10:00:00Z","webhook":{"event_type":"call.hangup","payload":{"call_leg_id":"leg"}}}],"meta":{"page_number":1,"total_pages":2,"total_results":101}}`,
		`{"data":[{"id":"log","type":"laml_call","status":"completed","created_at":"2026-11-01T10:00:00Z"}],"links":{"next":"https://example.signalwire.com/api/voice/logs?page_token=PA1"}}`,
		`{"calls":[{"sid":"s","status":"completed","end_time":"Sun, 01 Nov 2026 10:00:00 +0000"}],"next_page_uri":"/api/laml/2010-04-01/Accounts/project/Calls?Page=1&PageToken=PA1"}`,
		`{"results":[{"id":"b","channelId":"c","status":"completed","createdAt":"2026-11-01T10:00:00Z","direction":"incoming"}],"nextPageToken":"t"}`,
		`{"data":[{"id":"vcl_1","status":"answered","ended_at":"2026-11-01T10:00:00Z"}],"next_cursor":"vcl_1"}`,
		`{"status":true,"data":{"logs":[{"callId":"CALL-1","status":"completed","createdAt":"2026-11-01T10:00:00Z"}],"pagination":{"total":9,"page":1,"limit":1,"hasMore":true}}}`,
		`{"success":true,"data":[{"call_sid":"call_1","status":"completed","end_time":"2026-11-01T10:00:00Z"}],"pagination":{"next_cursor":"c","has_more":true,"total_count":9}}`,
		`{"meta":{"next_page_url":"https://insights.twilio.com/v1/Voice/Summaries?PageToken=PT1"},"call_summaries":[{"call_sid":"CA1","call_state":"completed","processing_state":"partial","end_time":"2026-11-01T10:00:00Z"}]}`,
		`{"data":[null,1,"x",[],{},{"id":{}},{"call_sid":"../.."},{"call_leg_id":"a"},{"id":"vcl_\u0000","status":[]}],"meta":{"page_number":-1,"total_pages":1e99}}`,
		`{"data":[],"links":{"next":"https://evil.example/api/voice/logs?x"},"next_cursor":{"a":1}}`,
		`{"errors":["x"]}`, `{"success":false}`, `[]`, `null`, `{`, `{"data":{"logs":{}}}`,
	}
}

// FuzzPages feeds hostile pages to the lists of all providers. Whatever comes,
// the next page is one of the same list, another than this, and every call has an
// id, a body, and requests that lead where they seem to.
func FuzzPages(f *testing.F) {
	for _, seed := range pageSeeds() {
		f.Add([]byte(seed))
	}
	type listOf struct {
		provider normalizer.Provider
		keys     normalizer.Keys
		list     normalizer.Listing
	}
	var lists []listOf
	for _, p := range registry.Providers() {
		all := []normalizer.Keys{restKeys(p.Name)}
		if p.Name == "bird" {
			all = append(all, normalizer.Keys{"ACCESS_KEY": {"bk_eu1_x"}})
		}
		for _, keys := range all {
			for _, list := range p.REST.Calls(keys) {
				lists = append(lists, listOf{p, keys, list})
			}
		}
	}
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, l := range lists {
			this := l.list.First(since, since.Add(time.Hour), l.keys)
			page, err := l.list.Page(this, answer, since, l.keys)
			if err != nil {
				continue
			}
			checkPage(t, this, page)
			for _, listed := range page.Calls {
				b := normalizer.Body{Provider: l.provider.Name, Source: normalizer.Imported, ContentType: "application/json", Bytes: listed.Body, CallID: listed.CallID, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}
				events, err := normalizer.Events(l.provider, &b, normalizer.Options{})
				if err != nil {
					continue
				}
				for i := range events {
					providertest.CheckEvent(t, &events[i])
				}
			}
			if l.provider.REST.Batch != nil {
				if bodies, err := l.provider.REST.Batch.Split(answer); err == nil && bodies == nil {
					t.Error("neither bodies nor an error")
				}
			}
			switch l.provider.REST.Holds(normalizer.Ask{Path: "/x", CallID: "x"}, answer) {
			case normalizer.Nothing, normalizer.Part, normalizer.Whole:
			default:
				t.Error("holds neither nothing, part nor whole")
			}
		}
	})
}

func checkPage(t *testing.T, this normalizer.Ask, page normalizer.Page) {
	t.Helper()
	if n := page.Next; n != nil && (n.Path != this.Path || n.Method != this.Method || n.ID() == this.ID() || len(n.Query.Encode()) > 4*normalizer.MaxCursor) {
		t.Errorf("after %s %v comes %s %v", this.Path, this.Query, n.Path, n.Query)
	}
	if page.Total < 0 {
		t.Errorf("%d calls in all", page.Total)
	}
	for _, c := range page.Calls {
		if c.CallID == "" || len(c.CallID) > normalizer.MaxSegment || len(c.Body) == 0 {
			t.Errorf("call %q with %d bytes", c.CallID, len(c.Body))
		}
		for _, a := range c.Asks {
			if a.CallID != c.CallID || !strings.HasPrefix(a.Path, "/") || strings.ContainsAny(a.Path, "?#\\ ") || strings.Contains(a.Path+"/", "/../") {
				t.Errorf("call %q is asked for at %q", c.CallID, a.Path)
			}
		}
	}
}

// TestPages reads the seeds by the list they are of: what must be found in them.
func TestPages(t *testing.T) {
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		provider, list, call, next string
		keys                       normalizer.Keys
		total, asks                int
	}{
		{provider: "telnyx", list: "webhook_deliveries", call: "leg", next: "page[number]=2", total: 101},
		{provider: "signalwire", list: "voice logs", call: "log", next: "page_token=PA1", asks: 1},
		{provider: "signalwire", list: "Compatibility calls", call: "s", next: "Page=1&PageToken=PA1"},
		{provider: "bird", list: "calls of all channels", call: "b", next: "pageToken=t", asks: 1},
		{provider: "bird", list: "voice calls", call: "vcl_1", next: "starting_after=vcl_1", keys: normalizer.Keys{"ACCESS_KEY": {"bk_eu1_x"}}},
		{provider: "atoms", list: "conversation", call: "CALL-1", next: "page=2", total: 9, asks: 1},
		{provider: "butter", list: "calls", call: "call_1", next: "cursor=c", total: 9, asks: 1},
		{provider: "twilio", list: "call summaries", call: "CA1", next: "PageToken=PT1", asks: 2},
	} {
		t.Run(c.provider+" "+c.list, func(t *testing.T) {
			p, _ := registry.Find(c.provider)
			if c.keys == nil {
				c.keys = restKeys(c.provider)
			}
			for _, list := range p.REST.Calls(c.keys) {
				if list.Name != c.list {
					continue
				}
				for _, from := range []time.Time{since, since.Add(48 * time.Hour)} {
					this := list.First(from, time.Time{}, c.keys)
					page, err := list.Page(this, []byte(pageSeeds()[i]), from, c.keys)
					if err != nil || len(page.Calls) != 1 {
						t.Fatalf("%+v, %v, want one call", page, err)
					}
					got := page.Calls[0]
					if got.CallID != c.call || !got.Over || len(got.Asks) != c.asks || page.Total != c.total || !got.At.Equal(since.Add(10*time.Hour)) {
						t.Errorf("call %+v of %d", got, page.Total)
					}
					// Where the newest come first, a page of old calls is the last.
					ends := from.After(since) && (c.provider == "atoms" || c.provider == "butter")
					if (page.Next == nil) != ends {
						t.Fatalf("next %v of a list since %s", page.Next, from)
					}
					if page.Next == nil {
						continue
					}
					if again, err := list.Page(*page.Next, []byte(pageSeeds()[i]), from, c.keys); err == nil && again.Next != nil && again.Next.ID() == page.Next.ID() {
						t.Errorf("a list that comes back to the same page does not end: %v", again.Next.Query)
					}
					want, err := url.ParseQuery(c.next)
					if err != nil {
						t.Fatal(err)
					}
					for name := range want {
						if page.Next.Query.Get(name) != want.Get(name) {
							t.Errorf("next page is %v, want %s", page.Next.Query, c.next)
						}
					}
				}
				return
			}
			t.Fatal("no such list")
		})
	}
}
