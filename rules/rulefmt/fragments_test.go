package rulefmt

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fragments are what hostile files are made of here, and where it is put.
var fragments = strings.Split("( ) [ ] { } mos < 3 and or not ! & * | > ' \" , : - ? ?? ?. {{ }} range printf rate( count( p( filter( intervals # .mos == in .. 1e9 nil ; m1 "+
	"define: rules: when: << % @ ` \\ \t \r \n max( longest( map( split( replace( startsWith matches prev( ratio( ~ --- ... &a *a !!x abs ^ **", " ")

var surroundings = []string{
	"%s", "rules:\n  - name: a\n    when: %s\n", "rules:\n  - name: a\n    when: '%s'\n", "rules:\n  - name: a\n    over: 15m\n    when: \"%s\"\n",
	"rules:\n  - name: a\n    when: mos < 3\n    summary: '%s'\n", "define:\n  m: %s\nrules: [{name: a, when: m}]", "rules:\n  - name: a\n    when: |\n      %s\n",
	"rules:\n  - {name: a, when: mos < 3, labels: %s}\n", "rules:\n  - name: a\n    when: mos < 3\n    tests: %s\n", "lists: {l: %s}\nrules: [{name: a, when: mos < 3}]",
}

// Files of repeated fragments are read or refused in bounded time and memory.
func TestRepeatedFragmentsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plain(t)
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		few := make([]string, 1+r.IntN(5))
		for i := range few {
			few[i] = fragments[r.IntN(len(fragments))] + []string{"", " "}[r.IntN(2)]
		}
		var b strings.Builder
		size, inOrder := 1<<(10+r.IntN(9)), r.IntN(2) == 0
		for i := 0; b.Len() < size; i++ {
			if !inOrder {
				i = r.IntN(len(few))
			}
			b.WriteString(few[i%len(few)])
		}
		src := strings.Replace(surroundings[r.IntN(len(surroundings))], "%s", b.String(), 1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		_, _ = Load("rules.yaml", []byte(src))
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; took > 2*time.Second*slack || allocated > 200<<20 {
			t.Errorf("seed %d, %q: %d bytes took %s and %d MB", seed, few, len(src), took, allocated>>20)
		}
	}
}
