package lenient

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
		alike(t, d.node(0), Node{v: want})
	})
}

// alike holds the accessors of two nodes to each other.
func alike(t *testing.T, got, want Node) {
	t.Helper()
	if !reflect.DeepEqual(want.Value(), got.Value()) { // cmp takes time exponential in the depth
		t.Fatalf("%#v, want %#v", got.Value(), want.Value())
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
	ask := func(n Node) answers {
		return answers{
			n.Text(), n.Number(), n.Integer(), n.Truth(), n.Time().String(), n.Texts(),
			n.IsObject(), n.IsList(), n.IsNull(), n.Or(Node{v: "other"}).Text() == "other",
		}
	}
	if diff := cmp.Diff(ask(want), ask(got)); diff != "" {
		t.Fatal(diff)
	}
	for name := range want.Object() {
		alike(t, got.At(name), want.At(name))
	}
	elements := got.List()
	for i, e := range want.List() {
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
			n, err := ParseJSON([]byte(body))
			if err != nil || n.At("a").Text() != "1" {
				t.Errorf("%q, %v", n.At("a").Text(), err)
			}
		})
	}
}

// A body refused by both is an error, as it is of package json.
func TestRefusedByPackageJSON(t *testing.T) {
	for _, body := range []string{`{"a":}`, `{} {}`, ``, `[1,]`, strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)} {
		if _, err := ParseJSON([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), "parse json: ") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

// What is said of a body that is no JSON is about the body; a byte order mark is none of it.
func TestWhyNotJSON(t *testing.T) {
	for body, want := range map[string]string{
		"": "parse json: the body is empty", `{"a":`: "parse json: the body ends too early", "a=b": "parse json: a mistake at byte 1:",
	} {
		if _, err := ParseJSON([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
	if n, err := ParseJSON([]byte("\ufeff{\"a\":1}")); err != nil || n.At("a").Text() != "1" {
		t.Errorf("with a byte order mark: %v", err)
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

// The bodies of all providers' cases read alike from their places and decoded.
func TestCasesReadAlike(t *testing.T) {
	paths, err := filepath.Glob("../*/testdata/bodies/*.json")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d bodies, %v", len(paths), err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := read(body)
		object, isObject := bytes.CutPrefix(bytes.TrimSpace(body), []byte("{"))
		if !ok || !isObject {
			continue
		}
		t.Run(path, func(t *testing.T) {
			decoded, err := decodeJSON(body)
			if err != nil {
				t.Fatal(err)
			}
			alike(t, d.node(0), Node{v: decoded})
			left := slices.Concat([]byte(`{"\u0078odd":null,`), object) // an escaped name is left to package json
			if _, ok := read(left); ok {
				t.Fatal("the reader takes it")
			}
		})
	}
}
