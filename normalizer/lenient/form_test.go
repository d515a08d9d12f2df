package lenient

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// likeURL holds a form to what package url makes of the body, as the signature
// is computed of it and as the mappings read it.
func likeURL(t *testing.T, body []byte) {
	t.Helper()
	before := slices.Clone(body)
	want, wantErr := url.ParseQuery(string(body))
	got, err := ReadForm(body)
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != "parse form: "+wantErr.Error() {
		t.Fatalf("error %v, want %v", err, wantErr)
	}
	if !slices.Equal(body, before) {
		t.Fatalf("the body was changed: %q, was %q", body, before)
	}
	if err != nil {
		return
	}
	values, signed := url.Values{}, ""
	for _, p := range got {
		values.Add(p.name, p.value)
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Fatalf("%q (-want +got):\n%s", body, diff)
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		signed += name + strings.Join(want[name], name)
		object[strings.ToValidUTF8(name, "\uFFFD")] = strings.ToValidUTF8(want[name][0], "\uFFFD")
	}
	if text := got.Signed(); string(text) != signed {
		t.Fatalf("signed %q, want %q", text, signed)
	}
	n, err := ParseForm(body)
	if err != nil {
		t.Fatal(err)
	}
	if len(object) == len(want) { // else two names became one, and either may have come first
		if diff := cmp.Diff(object, n.Object()); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", body, diff)
		}
	}
}

func oddForms() []string {
	return []string{
		"", "&", "=", "a", "a=", "=b", "a=b", "a=b&a=c&A=d", "a==b", "a=b=c", "&&a=b&&", "a+b=c+d", "%61=%62", "a=%2B%26%3D%3b",
		"a=%", "a=%6", "a=%6x", "%zz=1", "a=;", ";", "a;b", "a=%zz;", "a=%zz&b=;&c=%", "%=1&b", "a=\xff&\xfe=b", "a=%ff", "\x00=\x00",
		"To=b&From=%2B14155550123&To=a&Empty=&To=", "é=ü&%C3%A9=2", strings.Repeat("&", 9999), strings.Repeat("&", 10000),
		strings.Repeat("a=%20&", 9999) + "b", strings.Repeat("a=b&", 10000) + "c",
	}
}

func TestFormAsPackageURL(t *testing.T) {
	for _, body := range oddForms() {
		likeURL(t, []byte(body))
	}
}

func FuzzForm(f *testing.F) {
	for _, body := range oddForms() {
		f.Add([]byte(body))
	}
	paths, err := filepath.Glob("../*/testdata/bodies/*.form")
	if err != nil || len(paths) < 10 {
		f.Fatalf("%d forms, %v", len(paths), err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(likeURL)
}
