package normalizer

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDocument holds the places of a document to package json: what is taken
// reads the same, member by member.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.50,-3e7,null,true,"x\u00e9\ud800 \n"],"b":{"a":1,"a":2}}`, `"\xff"`, ` [ ] `, `{} {}`, `{"a":}`, `12x`, `nul`, "[\"\xc3\x28\"]", `-0`, `1E400`,
		`{"\u0061":1,"a":2}`, "{\"\xff\":1}", `{"é":"é"}`, `{"a":1,"a":null}`, `[01]`, `[1.]`, `[-]`, `[1e]`, `[1e+5,-0.0E-1]`, "[\"a\tb\"]", `["\x"]`, `["\u12g4"]`, `["`, `["\`, `["\u12`,
		`{"a":1,}`, `[1,]`, `{,}`, `{"a"1}`, `{1:2}`, `[tru`, `true`, ``, ` `, `{"long name of a member":"a text of more than eight bytes\\"}`, "[\"seven b\x7fyte\"]", strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1), "\xef\xbb\xbf{}", "[1]\x00", `{"a":{"b":{}},"c":[[],{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := read(b)
		if !ok {
			return
		}
		want, err := decodeJSON(b)
		if err != nil {
			t.Fatalf("only the reader takes %q: %v", b, err)
		}
		alike(t, d.node(0), node{v: want})
	})
}

// alike holds the accessors of two nodes to each other.
func alike(t *testing.T, got, want node) {
	t.Helper()
	if !reflect.DeepEqual(want.value(), got.value()) { // cmp takes time exponential in the depth
		t.Fatalf("%#v, want %#v", got.value(), want.value())
	}
	type answers struct {
		Text                   string
		Number                 *float64
		Integer                *int64
		Truth                  *bool
		Time                   string
		Texts                  []string
		Object, List, Null, Or bool
	}
	ask := func(n node) answers {
		return answers{
			n.text(), n.number(), n.integer(), n.truth(), n.time().String(), n.texts(),
			n.isObject(), n.isList(), n.isNull(), n.or(node{v: "other"}).text() == "other",
		}
	}
	if diff := cmp.Diff(ask(want), ask(got)); diff != "" {
		t.Fatal(diff)
	}
	for name := range want.object() {
		alike(t, got.at(name), want.at(name))
	}
	elements := got.list()
	for i, e := range want.list() {
		alike(t, elements[i], e)
	}
}

// What the reader leaves to package json is understood all the same.
func TestLeftToPackageJSON(t *testing.T) {
	wide := strings.Builder{}
	for i := range maxMembers + 1 {
		fmt.Fprintf(&wide, `"n%d":%d,`, i, i)
	}
	for name, body := range map[string]string{
		"escaped name":   `{"\u0061":1}`,
		"name not UTF-8": "{\"\xff\":2,\"a\":1}",
		"wide":           `{` + wide.String() + `"a":1}`,
		"long name":      `{"` + strings.Repeat("x", 1<<16) + `":2,"a":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := read([]byte(body)); ok {
				t.Error("the reader takes it")
			}
			n, err := parseJSON([]byte(body))
			if err != nil || n.at("a").text() != "1" {
				t.Errorf("%q, %v", n.at("a").text(), err)
			}
		})
	}
}

// A body refused by both is an error, as it is of package json.
func TestRefusedByPackageJSON(t *testing.T) {
	for _, body := range []string{`{"a":}`, `{} {}`, ``, `[1,]`, strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)} {
		if _, err := parseJSON([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), "parse json: ") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

// Every byte at every place of the eight that are looked at together.
func TestPlainText(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			b := []byte(strings.Repeat("x", 19))
			b[at] = byte(c)
			want := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r >= 0x80 })
			if want < 0 {
				want = len(b)
			}
			if got := plainText(b, 0); got != want {
				t.Fatalf("%#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}

func FuzzPlainText(f *testing.F) {
	f.Add([]byte("\x1f\x20!\"#[\\]\x7f\x80"), 1)
	f.Fuzz(func(t *testing.T, b []byte, from int) {
		if from < 0 || from > len(b) {
			return
		}
		want := from
		for want < len(b) && b[want] != '"' && b[want] != '\\' && b[want] >= ' ' && b[want] < 0x80 {
			want++
		}
		if got := plainText(b, from); got != want {
			t.Fatalf("%q: %d, want %d", b[from:], got, want)
		}
	})
}

// The bodies of all cases read alike from their places and decoded, and give the
// same facts.
func TestCasesReadAlike(t *testing.T) {
	for _, p := range Providers() {
		for _, c := range cases(t, p.Name) {
			d, ok := read(c.body.Bytes)
			object, isObject := bytes.CutPrefix(bytes.TrimSpace(c.body.Bytes), []byte("{"))
			if !ok || !isObject {
				continue
			}
			t.Run(p.Name+"/"+c.name, func(t *testing.T) {
				decoded, err := decodeJSON(c.body.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				alike(t, d.node(0), node{v: decoded})

				left := c.body
				left.Bytes = slices.Concat([]byte(`{"\u0078odd":null,`), object) // an escaped name is left to package json
				if _, ok := read(left.Bytes); ok {
					t.Fatal("the reader takes it")
				}
				want, wantErr := Events(p, &left, Options{})
				got, err := Events(p, &c.body, Options{})
				if (err == nil) != (wantErr == nil) || len(got) != len(want) {
					t.Fatalf("%d events, %v; want %d, %v", len(got), err, len(want), wantErr)
				}
				for i := range got {
					if diff := cmp.Diff(want[i].Facts, got[i].Facts); diff != "" {
						t.Error(diff)
					}
					if diff := cmp.Diff(want[i].Intervals, got[i].Intervals); diff != "" {
						t.Error(diff)
					}
					if diff := cmp.Diff(want[i].Counters, got[i].Counters); diff != "" {
						t.Error(diff)
					}
				}
			})
		}
	}
}
