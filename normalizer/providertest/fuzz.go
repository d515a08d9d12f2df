package providertest

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
)

// maxEventJSON is above anything a mapping may make of one body, raw and
// intervals included.
const maxEventJSON = 2 << 20

// FuzzNormalize feeds mutations of the provider's cases to its mapping. Whatever
// comes, it ends without panic, says the same twice, and gives events that hold
// to the field table.
func FuzzNormalize(f *testing.F, p normalizer.Provider, dir string) {
	for _, c := range Cases(f, p.Name, dir) {
		f.Add(c.Body.Bytes, c.Body.ContentType == "application/x-www-form-urlencoded", c.Body.Source != normalizer.Pushed)
	}
	f.Fuzz(func(t *testing.T, body []byte, isForm, fetched bool) {
		b := normalizer.Body{Provider: p.Name, Source: normalizer.Pushed, ContentType: "application/json", Bytes: body, ReceivedAt: ReceivedAt(), RawID: "1.0"}
		if isForm {
			b.ContentType = "application/x-www-form-urlencoded"
		}
		if fetched {
			b.Source = normalizer.Fetched
		}
		events, err := normalizer.Events(p, &b, normalizer.Options{})
		if err != nil && len(events) > 0 {
			t.Fatal("both events and an error")
		}
		again, _ := normalizer.Events(p, &b, normalizer.Options{})
		if diff := cmp.Diff(events, again); diff != "" {
			t.Fatalf("not the same twice:\n%s", diff)
		}
		for i := range events {
			CheckEvent(t, &events[i])
		}
	})
}

// CheckEvent holds an event to the contract of package call.
func CheckEvent(t *testing.T, e *call.Event) {
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
	// Judging takes the event as it was made, a replay as it was stored.
	if !reflect.DeepEqual(&back, e) {
		t.Errorf("stored and read back it is another event:\n%s", cmp.Diff(e, &back))
	}
}

func deref(f *float64) any {
	if f == nil {
		return "any"
	}
	return *f
}

// Sealed is a request with a right signature.
type Sealed struct {
	Request normalizer.Request
	// Signs is what the scheme looks at: what is signed, and the signature. Two
	// requests that agree in it are the same request to the scheme.
	Signs func(r *normalizer.Request) string
}

// FuzzVerify starts from requests with a right signature and mutates body, URL,
// signature headers and content type: whatever differs in what is signed, or in
// a signature, is refused.
func FuzzVerify(f *testing.F, p normalizer.Provider, keys normalizer.Keys, headers []string, valid []Sealed) {
	for i, s := range valid {
		if _, err := p.Verify(&s.Request, keys); err != nil {
			f.Fatalf("request %d: %v", i, err)
		}
		first, second := headerPair(&s.Request, headers)
		f.Add(uint8(i), s.Request.URL, s.Request.Body, first, second, s.Request.ContentType, int64(0))
		f.Add(uint8(i), s.Request.URL, append([]byte(" "), s.Request.Body...), first, second, s.Request.ContentType, int64(0))
		f.Add(uint8(i), s.Request.URL, s.Request.Body, first, second, s.Request.ContentType, int64(-6*time.Minute))
	}
	f.Fuzz(func(t *testing.T, which uint8, url string, body []byte, first, second, contentType string, later int64) {
		s := valid[int(which)%len(valid)]
		r := s.Request
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
			if !errors.Is(err, normalizer.ErrSignature) && !errors.Is(err, normalizer.ErrStale) {
				t.Fatalf("error %v wraps neither reason", err)
			}
			return
		}
		for _, s := range valid {
			if s.Signs(&r) == s.Signs(&s.Request) {
				return
			}
		}
		t.Fatalf("accepted: url %q, content type %q, headers %q %q, body %q", url, contentType, first, second, body)
	})
}

func headerPair(r *normalizer.Request, headers []string) (first, second string) {
	values := [2]string{}
	for i, h := range headers[:min(2, len(headers))] {
		values[i] = r.Header.Get(h)
	}
	return values[0], values[1]
}
