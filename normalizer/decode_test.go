package normalizer

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode holds the fast reader to package json: what it reads, that reads
// the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.50,-3e7,null,true,"x\u00e9\ud800 \n"],"b":{"a":1,"a":2}}`, `"\xff"`, ` [ ] `, `{} {}`, `{"a":}`, `12x`, `nul`, "[\"\xc3\x28\"]", `-0`, `1E400`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkDepth(b) != nil {
			return
		}
		got, err := decodeJSON(b)
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("only the fast reader takes %q: %v", b, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
