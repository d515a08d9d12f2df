package call

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// In whatever order the events of a call come, they are kept under one id, and
// those of other calls are not among them.
func TestAliasesGiveOneCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type named struct {
			id      string
			aliases []string
			call    int
		}
		var events []named
		for i := range 3 {
			sid, leg := fmt.Sprint("v3:", i), fmt.Sprint("leg-", i)
			events = append(events, named{sid, nil, i}, named{sid, nil, i}, named{leg, []string{sid}, i}, named{leg, []string{sid}, i})
		}
		a, ids := NewAliases(100), map[int]string{}
		for _, e := range rapid.Permutation(events).Draw(t, "order") {
			id, aliases := a.Resolve(Key{Provider: "p", CallID: e.id}, e.aliases)
			if have, ok := ids[e.call]; ok && have != id {
				t.Fatalf("call %d is kept under %s and %s", e.call, have, id)
			}
			ids[e.call] = id
			if len(aliases) == 1 && aliases[0] == id {
				t.Fatalf("%s is its own alias", id)
			}
		}
		if len(ids) != 3 || ids[0] == ids[1] || ids[1] == ids[2] || ids[0] == ids[2] {
			t.Fatalf("calls share ids: %v", ids)
		}
	})
}

func TestAliasesAreBounded(t *testing.T) {
	a := NewAliases(4)
	for i := range 100 {
		a.Resolve(Key{Provider: "p", CallID: fmt.Sprint("leg-", i)}, []string{fmt.Sprint("v3:", i)})
	}
	if len(a.id) != 4 || len(a.order) != 4 {
		t.Errorf("%d ids, %d in order, want 4", len(a.id), len(a.order))
	}
	if id, _ := a.Resolve(Key{Provider: "p", CallID: "v3:99"}, nil); id != "leg-99" {
		t.Errorf("the latest call is kept under %s", id)
	}
	if id, _ := a.Resolve(Key{Provider: "p", CallID: "v3:1"}, nil); id != "v3:1" {
		t.Errorf("a forgotten id is kept under %s", id)
	}
	if id, _ := a.Resolve(Key{Provider: "other", CallID: "v3:99"}, nil); id != "v3:99" {
		t.Errorf("another provider's call is kept under %s", id)
	}
}
