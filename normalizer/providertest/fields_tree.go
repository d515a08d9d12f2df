package providertest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"callwatch/normalizer"
)

// A body as a tree: objects, lists and values, whatever it came as. Text that is
// itself a JSON object, as some forms hold, is part of the tree.

// jsonText is an object that is in its parent as text.
type jsonText struct{ v any }

func treeOf(b *normalizer.Body) any {
	if strings.HasSuffix(b.ContentType, "form-urlencoded") {
		form, err := url.ParseQuery(string(bytes.TrimSpace(b.Bytes)))
		if err != nil {
			return nil
		}
		object := map[string]any{}
		for name := range form {
			object[name] = opened(form.Get(name))
		}
		return object
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(b.Bytes))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return openAll(v)
}

func opened(s string) any {
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if !strings.HasPrefix(strings.TrimSpace(s), "{") || d.Decode(&v) != nil {
		return s
	}
	return jsonText{v}
}

func openAll(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = openAll(v[name])
		}
	case []any:
		for i := range v {
			v[i] = openAll(v[i])
		}
	case string:
		return opened(v)
	}
	return v
}

// closed is a tree with its texts as they came.
func closed(v any) any {
	switch v := v.(type) {
	case jsonText:
		text, _ := json.Marshal(closed(v.v)) // made of what was decoded
		return string(text)
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = closed(v[name])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = closed(v[i])
		}
		return out
	}
	return v
}

// bodyOf is the body with another tree.
func bodyOf(b *normalizer.Body, tree any) normalizer.Body {
	out := *b
	if strings.HasSuffix(b.ContentType, "form-urlencoded") {
		form := url.Values{}
		for name, v := range closed(tree).(map[string]any) {
			if text, ok := v.(string); ok {
				form.Set(name, text)
			} else {
				text, _ := json.Marshal(v) // the same
				form.Set(name, strings.Trim(string(text), `"`))
			}
		}
		out.Bytes = []byte(form.Encode())
		return out
	}
	out.Bytes, _ = json.Marshal(closed(tree)) // the same
	return out
}

// leaf is a value of a tree and the way to it; [] means every element of a
// list.
type leaf struct {
	path  string
	value any
}

func leaves(v any, path string, out []leaf) []leaf {
	switch v := v.(type) {
	case jsonText:
		return leaves(v.v, path, out)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = leaves(v[name], strings.TrimPrefix(path+"."+name, "."), out)
		}
		return out
	case []any:
		for _, e := range v {
			out = leaves(e, path+"[]", out)
		}
		return out
	case nil:
		return out
	}
	return append(out, leaf{path, v})
}

// steps are the parts of a path: names, and "[]".
func steps(path string) []string {
	return slices.DeleteFunc(strings.Split(strings.ReplaceAll(path, "[]", ".[]"), "."), func(s string) bool { return s == "" })
}

// changed is a copy of a tree in which whatever is at the path is replaced by
// what put makes of it; a put that says no takes it away.
func changed(v any, path []string, put func(old any) (any, bool)) any {
	switch v := v.(type) {
	case jsonText:
		return jsonText{changed(v.v, path, put)}
	case map[string]any:
		out := maps.Clone(v)
		if len(path) == 0 || path[0] == "[]" {
			return out
		}
		if len(path) == 1 {
			if next, keep := put(v[path[0]]); keep {
				out[path[0]] = next
			} else {
				delete(out, path[0])
			}
			return out
		}
		child, ok := v[path[0]]
		if !ok || child == nil {
			if _, keep := put(nil); !keep {
				return out
			}
			child = map[string]any{}
			if path[1] == "[]" {
				child = []any{}
			}
		}
		out[path[0]] = changed(child, path[1:], put)
		return out
	case []any:
		if len(path) == 0 || path[0] != "[]" {
			return v
		}
		if len(v) == 0 {
			if _, keep := put(nil); keep && len(path) > 1 {
				v = []any{map[string]any{}}
			}
		}
		var out []any
		for _, e := range v {
			if len(path) > 1 {
				out = append(out, changed(e, path[1:], put))
			} else if next, keep := put(e); keep {
				out = append(out, next)
			}
		}
		return append([]any{}, out...)
	}
	return v
}
