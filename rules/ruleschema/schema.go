// Package ruleschema describes rules files as a JSON Schema, for editors. Which keys there are
// is the loader's to say. It may import call, rules and rules/rulefmt.
package ruleschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"callwatch/call"
	"callwatch/rules/rulefmt"
)

// schemaNode is a part of a JSON Schema.
type schemaNode = map[string]any

// Schema is the JSON Schema (draft 7) of rules files. Its keys are those that the
// loader takes, and the facts of calls in tests are those of the field table.
func Schema() ([]byte, error) {
	taken := rulefmt.Keys()
	root, err := objectSchema("a rules file", taken)
	if err != nil {
		return nil, err
	}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "callwatch rules"
	root["required"] = []string{"rules"}
	defs := schemaNode{"call": callSchema()}
	for what, name := range mappingNames() {
		if what == "a rules file" || taken[what] == nil {
			continue
		}
		def, err := objectSchema(what, taken)
		if err != nil {
			return nil, err
		}
		defs[name] = def
	}
	root["definitions"] = defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return b.Bytes(), nil
}

// mappingNames are the loader's mappings by the names they have in the schema.
func mappingNames() map[string]string {
	return map[string]string{
		"a rules file": "file", "defaults": "defaults", "a rule": "rule", "severity": "ladder",
		"route": "ruleRoute", "mention": "mention", "a route": "route", "storm": "storm", "a silence": "silence", "active": "active", "a lookup": "lookup", "active by severity": "activeLevels",
		"a test": "test", "a step of given": "given", "expect": "expect",
	}
}

// objectSchema describes one mapping by the keys the loader takes for it.
func objectSchema(what string, taken map[string][]string) (schemaNode, error) {
	properties := schemaNode{}
	for _, key := range taken[what] {
		s, ok := schemaKeys()[what][key]
		if !ok {
			return nil, fmt.Errorf("the schema does not describe the key %s of %s", key, what)
		}
		properties[key] = s.schema()
	}
	return closed(properties, required(what)...), nil
}

func closed(properties schemaNode, required ...string) schemaNode {
	s := schemaNode{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func required(what string) []string {
	switch what {
	case "a rule":
		return []string{"name"}
	case "a lookup":
		return []string{"file", "of"}
	case "a silence":
		return []string{"match"}
	case "a test":
		return []string{"name", "expect"}
	}
	return nil
}

func (s keyShape) schema() schemaNode {
	out := maps.Clone(s.node)
	out["description"] = s.doc
	return out
}

// callSchema describes the facts of a call by the field table.
func callSchema() schemaNode {
	properties := schemaNode{}
	for _, f := range call.Fields() {
		s := factSchema(f)
		s["description"] = f.Doc
		if f.Unit != "" {
			s["description"] = f.Doc + " [" + f.Unit + "]"
		}
		properties[f.Name] = s
	}
	return closed(properties)
}

func factSchema(f call.Field) schemaNode {
	switch f.Type {
	case call.Number, call.Integer:
		s := schemaNode{"type": []string{string(f.Type), "null"}}
		if f.Min != nil {
			s["minimum"] = *f.Min
		}
		if f.Max != nil {
			s["maximum"] = *f.Max
		}
		return s
	case call.Bool:
		return schemaNode{"type": []string{"boolean", "null"}}
	case call.Strings:
		return schemaNode{"anyOf": []schemaNode{{"type": "null"}, textsNode()}}
	case call.List:
		return schemaNode{"type": []string{"array", "null"}, "items": schemaNode{"type": "object"}}
	case call.Object:
		return schemaNode{"type": []string{"object", "null"}}
	}
	if len(f.Enum) > 0 {
		return schemaNode{"enum": append([]any{nil}, anys(f.Enum)...)}
	}
	return schemaNode{"type": []string{"string", "number", "boolean", "null"}}
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
