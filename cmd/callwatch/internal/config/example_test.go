package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"callwatch/cmd/callwatch/internal/generated"
)

// The table of docs/configuration.md comes from the settings.
func TestReferenceOfSettings(t *testing.T) {
	t.Parallel()
	generated.CheckParts(t, "../../../../docs/configuration.md", "Reference", map[string]string{"settings": settingReference()})
}

// settingReference is the table of variables in docs/configuration.md.
func settingReference() string {
	var b strings.Builder
	b.WriteString("| variable | default | |\n| --- | --- | --- |\n")
	visitSettings(reflect.ValueOf(Default(allProviders())), nil, "", func(s setting) {
		preset, doc := "", s.tag.Get("doc")
		if !s.value.IsZero() || s.value.Kind() == reflect.Bool {
			preset = fmt.Sprintf("`%v`", presetText(s.value))
		}
		for _, word := range strings.Split(s.tag.Get("enum"), ",") {
			if word != "" {
				doc = strings.Replace(doc, word, "`"+word+"`", 1)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.env, preset, doc)
	})
	return b.String()
}

// exampleWriter writes callwatch.example.yaml.
type exampleWriter struct{ strings.Builder }

// line writes a key, as a comment where it is not set.
func (w *exampleWriter) line(depth int, set bool, key, value string) {
	mark := "#"
	if set {
		mark = ""
	}
	fmt.Fprintf(w, "%s\n", strings.TrimRight(strings.Repeat("  ", depth)+mark+key+": "+value, " "))
}

func (w *exampleWriter) doc(depth int, doc, env string) {
	if depth == 0 {
		w.WriteString("\n")
	}
	if env != "" {
		doc += " (" + env + ")"
	}
	fmt.Fprintf(w, "%s# %s\n", strings.Repeat("  ", depth), doc)
}

// group writes the fields of v; those that are as in preset are set. A group is
// set where one of its fields is: presets that are not valid set none.
func (w *exampleWriter) group(depth int, v, preset reflect.Value, prefix string) {
	for _, f := range settingFields(v.Type()) {
		of, was, env := v.FieldByIndex(f.Index), reflect.Value{}, ""
		if preset.IsValid() {
			was = preset.FieldByIndex(f.Index)
		}
		if f.Tag.Get("env") != "" {
			env = Prefix + prefix + f.Tag.Get("env")
		}
		if depth > 1 && of.IsZero() && f.Tag.Get("min") == "" {
			continue // an entry of a map needs not all
		}
		w.doc(depth, f.Tag.Get("doc"), env)
		switch {
		case f.Type.Kind() == reflect.Struct:
			w.line(depth, anySet(was), settingKey(f), "")
			w.group(depth+1, of, was, prefix+f.Tag.Get("envPrefix"))
		case f.Type == reflect.TypeFor[map[string]map[string]Secret]():
			w.line(depth, false, settingKey(f), "")
			w.providers()
		case f.Type.Kind() == reflect.Map:
			w.line(depth, false, settingKey(f), "")
			for _, key := range slices.SortedFunc(maps.Keys(keyed(of)), strings.Compare) {
				w.line(depth+1, false, key, "")
				w.group(depth+2, keyed(of)[key], reflect.Value{}, prefix+"_"+strings.ToUpper(key)+"__")
			}
		default:
			set := was.IsValid() && (!was.IsZero() || f.Type.Kind() == reflect.Bool)
			w.line(depth, set, settingKey(f), yamlText(of))
		}
	}
}

// anySet says whether a group has a field that is set.
func anySet(group reflect.Value) bool {
	for _, f := range settingFields(group.Type()) {
		if v := group.FieldByIndex(f.Index); !v.IsZero() || v.Kind() == reflect.Bool {
			return true
		}
	}
	return false
}

func keyed(m reflect.Value) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for _, key := range m.MapKeys() {
		all[key.String()] = m.MapIndex(key)
	}
	return all
}

func (w *exampleWriter) providers() {
	for _, p := range allProviders() {
		w.line(1, false, p.Name, "")
		for _, s := range p.AllSettings() {
			w.doc(2, s.Doc, p.EnvName(s.Name))
			w.line(2, false, strings.ToLower(s.Name), `""`)
		}
	}
}

// yamlText is a value in one line of YAML, secrets and durations as people write
// them.
func yamlText(v reflect.Value) string {
	value := presetText(v)
	if v.Kind() == reflect.String {
		value = v.String()
	}
	text, err := yaml.MarshalWithOptions(value, yaml.Flow(v.Kind() == reflect.Slice))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

func configExample() []byte {
	w := &exampleWriter{}
	w.WriteString("# yaml-language-server: $schema=../callwatch.schema.json\n\n" +
		"# All settings of callwatch.yaml. A setting behind a # has no default, and an example is given: take the #\n" +
		"# away, and that of the keys above it. The variable that goes over a setting is named behind its description.\n")
	w.group(0, reflect.ValueOf(exampleConfig()), reflect.ValueOf(Default(allProviders())), "")
	return []byte(w.String())
}
