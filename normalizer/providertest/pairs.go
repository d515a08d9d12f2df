package providertest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
)

// Pairs folds two webhooks of one call in both orders. A folder of
// pairs is a case: its name is those of two bodies of
// pairs/bodies, joined by "+", and call.golden.json is the
// call. Every pair of bodies has a folder; -update makes those that are missing.
func Pairs(t *testing.T, p normalizer.Provider, dir string) {
	dir = filepath.Join(dir, "pairs")
	bodies, err := filepath.Glob(filepath.Join(dir, "bodies", "*"))
	if err != nil || len(bodies) == 0 {
		t.Fatalf("%s has no bodies: %v", dir, err)
	}
	slices.Sort(bodies)
	want := map[string]bool{"bodies": true}
	for i, first := range bodies {
		for _, second := range bodies[i+1:] {
			name := pairName(first) + "+" + pairName(second)
			want[name] = true
			t.Run(name, func(t *testing.T) { checkPair(t, p, filepath.Join(dir, name), first, second) })
		}
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !want[f.Name()] {
			t.Errorf("%s/%s is no pair of bodies", dir, f.Name())
		}
	}
}

func pairName(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

func checkPair(t *testing.T, p normalizer.Provider, dir, first, second string) {
	forward, backward := foldBodies(t, p, first, second), foldBodies(t, p, second, first)
	if diff := cmp.Diff(forward.Facts, backward.Facts); diff != "" {
		t.Errorf("the order of arrival matters:\n%s", diff)
	}
	once, again := forward.Facts, foldBodies(t, p, first, second, first, second)
	if diff := cmp.Diff(once, again.Facts); diff != "" {
		t.Errorf("a repetition matters:\n%s", diff)
	}
	folded, err := json.Marshal(struct {
		CallID string     `json:"callId"`
		Final  bool       `json:"final"`
		Facts  call.Facts `json:"facts"`
	}{forward.CallID, forward.Final, forward.Facts})
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, folded, "", "  "); err != nil {
		t.Fatal(err)
	}
	if *Update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	Compare(t, filepath.Join(dir, "call.golden.json"), append(pretty.Bytes(), '\n'))
}

// foldBodies normalizes bodies in their order and folds their events, which must
// all be of one call.
func foldBodies(t *testing.T, p normalizer.Provider, paths ...string) *call.Call {
	t.Helper()
	var folded call.Call
	aliases := call.NewAliases(100)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		contentType := "application/json"
		if filepath.Ext(path) == ".form" {
			contentType = "application/x-www-form-urlencoded"
		}
		events, err := normalizer.Events(p, &normalizer.Body{Provider: p.Name, Source: normalizer.Pushed, ContentType: contentType, Bytes: b, ReceivedAt: ReceivedAt()}, normalizer.Options{})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for i := range events {
			if p.Aliases {
				aliases.Rename(&events[i])
			}
			if folded.CallID != "" && events[i].CallID != folded.CallID {
				t.Fatalf("%s is of call %s, the one before of %s", path, events[i].CallID, folded.CallID)
			}
			folded.Fold(&events[i], call.PreferProvider)
		}
	}
	return &folded
}
