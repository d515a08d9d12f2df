package providertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
)

// proof shows in the samples that a row tells the truth.
func (r *fieldRow) proof(p normalizer.Provider, all []sample) error {
	missing := map[string]bool{r.target: true}
	why, left := strings.CutPrefix(r.target, "left out: ")
	mapped := !left && !strings.HasPrefix(r.target, "raw.")
	switch {
	case r.target == "":
		return fmt.Errorf("is neither mapped nor listed as raw")
	case left && leftOut()[why] == "":
		return fmt.Errorf("left out for an unknown reason: %q", why)
	case mapped:
		missing = map[string]bool{}
		for _, name := range strings.Split(r.target, ", ") {
			if _, ok := call.Lookup(name); !ok {
				return fmt.Errorf("%q is no field", name)
			}
			missing[name] = true
		}
	}
	held := false
	for _, s := range all {
		if len(missing) == 0 && mapped {
			break
		}
		full, has, events := s.Body, s.leaves, s.events
		path := r.path(s.root)
		if r.example != nil && sourceOf(path, s.root) == r.source {
			full = bodyOf(&s.Body, changed(s.tree, steps(path), func(any) (any, bool) { return r.example, true }))
			has = leaves(treeOf(&full), "", nil)
			var err error
			if events, err = normalizer.Events(p, &full, normalizer.Options{}); err != nil {
				continue
			}
		}
		var values []leaf
		for _, l := range has {
			if l.path == path || strings.HasPrefix(l.path, path+".") {
				values = append(values, l)
			}
		}
		if len(values) == 0 || len(events) == 0 {
			continue
		}
		held = true
		switch {
		case left:
			if at := rawHolding(events, values[0]); at != "" {
				return fmt.Errorf("is not left out: %s of %s holds it", at, s.Name)
			}
			delete(missing, r.target)
		case mapped:
			with, err := p.Normalize(&full)
			if err != nil {
				continue
			}
			for _, other := range s.others(all, r, &full, values) {
				if len(missing) == 0 {
					break
				}
				without, err := p.Normalize(&other)
				for name := range missing {
					if depends(with, without, err, name) {
						delete(missing, name)
					}
				}
			}
		case inRaw(events, r.target, values[0].value):
			delete(missing, r.target)
		}
	}
	if !held {
		return fmt.Errorf("no case has it, and it has no example")
	}
	if len(missing) > 0 {
		return fmt.Errorf("does not become %s", strings.Join(sortedKeys(missing), ", "))
	}
	return nil
}

// others are the body without a row's field, with a value that another case has
// there, and with one that none has.
func (s *sample) others(all []sample, r *fieldRow, full *normalizer.Body, values []leaf) []normalizer.Body {
	path, tree := steps(r.path(s.root)), treeOf(full)
	bodies := []normalizer.Body{bodyOf(full, changed(tree, path, func(any) (any, bool) { return nil, false }))}
	with := func(v any) {
		bodies = append(bodies, bodyOf(full, changed(tree, path, func(any) (any, bool) { return v, true })))
	}
	for _, o := range all {
		for _, l := range o.leaves {
			if l.path == r.path(o.root) && len(bodies) < 12 && !equalValue(l.value, values[0].value) {
				with(l.value)
			}
		}
	}
	switch v := values[0].value.(type) {
	case string:
		with(v + "7")
	case json.Number:
		with(json.Number(v.String() + "7"))
	}
	return bodies
}

// depends reports whether an event field differs between the events of two bodies.
// A body of no known kind gives no event at all.
func depends(with, without []call.Event, err error, name string) bool {
	if err != nil || len(without) != len(with) {
		return name == "kind"
	}
	f, _ := call.Lookup(name)
	for i := range with {
		had := f.Value(&with[i])
		if had != nil && asJSON(had) != asJSON(f.Value(&without[i])) {
			return true
		}
	}
	return false
}

// inRaw says whether the value is at the path in the raw part of an event,
// as rules reach it.
func inRaw(events []call.Event, path string, value any) bool {
	return slices.ContainsFunc(rawLeaves(events), func(l leaf) bool { return l.path == path && equalValue(l.value, value) })
}

// rawHolding is where in raw a value is found under its own name and that of
// what holds it, "" for nowhere.
func rawHolding(events []call.Event, l leaf) string {
	want := steps(l.path)
	want = want[max(0, len(want)-2):]
	for _, r := range rawLeaves(events) {
		have := steps(r.path)
		if len(have) > len(want) && slices.Equal(have[len(have)-len(want):], want) && equalValue(r.value, l.value) {
			return r.path
		}
	}
	return ""
}

func rawLeaves(events []call.Event) (all []leaf) {
	for i := range events {
		all = leaves(treeOf(&normalizer.Body{Bytes: []byte(asJSON(events[i].Raw))}), "raw", all)
	}
	return all
}

// equalValue compares numbers as numbers, whether they are text or not.
func equalValue(a, b any) bool {
	x, y := strings.Trim(asJSON(closed(a)), `"`), strings.Trim(asJSON(closed(b)), `"`)
	var f, g float64
	return x == y || json.Unmarshal([]byte(x), &f) == nil && json.Unmarshal([]byte(y), &g) == nil && f == g
}

func asJSON(v any) string {
	b, _ := json.Marshal(v) // made of what was decoded
	return string(b)
}

func sortedKeys(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
