package normalizer

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
)

// maxEventJSON is above anything a mapping may make of one body, raw and
// intervals included.
const maxEventJSON = 2 << 20

// fuzzNormalize feeds mutations of the provider's cases to its mapping. Whatever
// comes, it ends without panic, says the same twice, and gives events that hold
// to the field table.
func fuzzNormalize(f *testing.F, name string) {
	p, ok := Find(name)
	if !ok {
		f.Fatalf("no provider %q", name)
	}
	for _, c := range cases(f, name) {
		f.Add(c.body.Bytes, c.body.ContentType == "application/x-www-form-urlencoded", c.body.Source != Pushed)
	}
	f.Fuzz(func(t *testing.T, body []byte, isForm, fetched bool) {
		b := Body{Provider: name, Source: Pushed, ContentType: "application/json", Bytes: body, ReceivedAt: testReceivedAt(), RawID: "1.0"}
		if isForm {
			b.ContentType = "application/x-www-form-urlencoded"
		}
		if fetched {
			b.Source = Fetched
		}
		events, err := Events(p, &b, Options{})
		if err != nil && len(events) > 0 {
			t.Fatal("both events and an error")
		}
		again, _ := Events(p, &b, Options{})
		if diff := cmp.Diff(events, again); diff != "" {
			t.Fatalf("not the same twice:\n%s", diff)
		}
		for i := range events {
			checkEvent(t, &events[i])
		}
	})
}

// checkEvent holds an event to the contract of package call.
func checkEvent(t *testing.T, e *call.Event) {
	t.Helper()
	if e.CallID == "" || e.Provider == "" || e.RawID == "" || e.OccurredAt.IsZero() {
		t.Errorf("identity incomplete: %+v", e.Identity)
	}
	switch e.Kind {
	case call.Progress, call.Stats, call.Ended, call.Report:
	default:
		t.Errorf("kind %q", e.Kind)
	}
	if (e.MOS == nil) != (e.MOSSource == "") {
		t.Error("mos and mosSource do not come together")
	}
	for _, f := range call.Fields() {
		if n, ok := f.Number(e); ok && (f.Min != nil && n < *f.Min || f.Max != nil && n > *f.Max) {
			t.Errorf("%s is %v, outside of %v..%v", f.Name, n, deref(f.Min), deref(f.Max))
		}
		if s, ok := f.Text(e); ok && !utf8.ValidString(s) {
			t.Errorf("%s is not UTF-8: %q", f.Name, s)
		}
	}
	b, err := e.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > maxEventJSON {
		t.Errorf("event of %d bytes", len(b))
	}
	var back call.Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Errorf("event cannot be read back: %v", err)
	}
}

func deref(f *float64) any {
	if f == nil {
		return "any"
	}
	return *f
}

// sealed is a request with a right signature.
type sealed struct {
	request Request
	// signs is what the scheme looks at: what is signed, and the signature. Two
	// requests that agree in it are the same request to the scheme.
	signs func(r *Request) string
}

// fuzzVerify starts from requests with a right signature and mutates body, URL,
// signature headers and content type: whatever differs in what is signed, or in
// a signature, is refused.
func fuzzVerify(f *testing.F, name string, keys Keys, headers []string, valid []sealed) {
	p, ok := Find(name)
	if !ok {
		f.Fatalf("no provider %q", name)
	}
	for i, s := range valid {
		if _, err := p.Verify(&s.request, keys); err != nil {
			f.Fatalf("request %d: %v", i, err)
		}
		first, second := headerPair(&s.request, headers)
		f.Add(uint8(i), s.request.URL, s.request.Body, first, second, s.request.ContentType, int64(0))
		f.Add(uint8(i), s.request.URL, append([]byte(" "), s.request.Body...), first, second, s.request.ContentType, int64(0))
		f.Add(uint8(i), s.request.URL, s.request.Body, first, second, s.request.ContentType, int64(-6*time.Minute))
	}
	f.Fuzz(func(t *testing.T, which uint8, url string, body []byte, first, second, contentType string, later int64) {
		s := valid[int(which)%len(valid)]
		r := s.request
		r.URL, r.Body, r.ContentType = url, body, contentType
		r.ReceivedAt = r.ReceivedAt.Add(time.Duration(later))
		r.Header = r.Header.Clone()
		for i, value := range []string{first, second} {
			if i < len(headers) {
				r.Header.Del(headers[i])
				if value != "" {
					r.Header.Set(headers[i], value)
				}
			}
		}
		_, err := p.Verify(&r, keys)
		if err != nil {
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrStale) {
				t.Fatalf("error %v wraps neither reason", err)
			}
			return
		}
		for _, s := range valid {
			if s.signs(&r) == s.signs(&s.request) {
				return
			}
		}
		t.Fatalf("accepted: url %q, content type %q, headers %q %q, body %q", url, contentType, first, second, body)
	})
}

func headerPair(r *Request, headers []string) (first, second string) {
	values := [2]string{}
	for i, h := range headers[:min(2, len(headers))] {
		values[i] = r.Header.Get(h)
	}
	return values[0], values[1]
}
