package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
)

// schemaNode is a part of a JSON Schema.
type schemaNode = map[string]any

// Schema is the JSON Schema (draft 7) of callwatch.yaml, as the fields of
// Config, their tags and defaults, and the registry of providers say.
func Schema(providers normalizer.Registry) ([]byte, error) {
	root, err := objectNode(reflect.ValueOf(Default(providers)))
	if err != nil {
		return nil, err
	}
	group := root["properties"].(schemaNode)["providers"].(schemaNode)
	group["additionalProperties"], group["properties"] = false, providerNodes(providers)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "callwatch configuration"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return b.Bytes(), nil
}

// objectNode describes a group of settings by its fields. What v has is the
// default.
func objectNode(v reflect.Value) (schemaNode, error) {
	properties := schemaNode{}
	for _, f := range settingFields(v.Type()) {
		node, err := settingNode(f, v.FieldByIndex(f.Index))
		if err != nil {
			return nil, err
		}
		properties[settingKey(f)] = node
	}
	return schemaNode{"type": "object", "additionalProperties": false, "properties": properties}, nil
}

// settingFields are the fields of a group that an operator can set.
func settingFields(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for f := range t.Fields() {
		if f.IsExported() && f.Tag.Get("yaml") != "-" {
			fields = append(fields, f)
		}
	}
	return fields
}

// settingKey is the key of a field in callwatch.yaml.
func settingKey(f reflect.StructField) string {
	if key, ok := f.Tag.Lookup("yaml"); ok {
		return key
	}
	return f.Tag.Get("json")
}

// settingNode describes one field: its form, and what its tags say of it.
func settingNode(f reflect.StructField, preset reflect.Value) (schemaNode, error) {
	node, err := valueNode(preset)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", f.Name, err)
	}
	doc := f.Tag.Get("doc")
	if doc == "" || settingKey(f) == "" {
		return nil, fmt.Errorf("setting %s: has no key or no description", f.Name)
	}
	node["description"] = doc
	if words := f.Tag.Get("enum"); words != "" {
		node["enum"] = strings.Split(words, ",")
	}
	for tag, keyword := range map[string]string{"min": "minimum", "max": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"} {
		limit, ok := f.Tag.Lookup(tag)
		if !ok {
			continue
		}
		if node[keyword], err = strconv.ParseFloat(limit, 64); err != nil {
			return nil, fmt.Errorf("setting %s: %w", f.Name, err)
		}
	}
	return node, nil
}

// valueNode is the form of a value, with its default where that is not empty.
func valueNode(preset reflect.Value) (schemaNode, error) {
	node := schemaNode{}
	switch preset.Kind() {
	case reflect.Struct:
		return objectNode(preset)
	case reflect.Map:
		each, err := valueNode(reflect.Zero(preset.Type().Elem()))
		return schemaNode{"type": "object", "additionalProperties": each}, err
	case reflect.Slice:
		if preset.Type() != reflect.TypeFor[[]string]() {
			return nil, fmt.Errorf("has no form for %s", preset.Type())
		}
		node["type"], node["items"] = "array", schemaNode{"type": "string"}
	case reflect.String:
		node["type"] = "string"
	case reflect.Bool:
		node["type"] = "boolean"
	case reflect.Float64:
		node["type"] = "number"
	case reflect.Int:
		node["type"] = "integer"
	case reflect.Int64:
		if preset.Type() != reflect.TypeFor[time.Duration]() {
			return nil, fmt.Errorf("has no form for %s", preset.Type())
		}
		text := schemaNode{"type": "string", "pattern": `^([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+$|^[0-9]*\.?[0-9]+[dw]$|^0$`}
		node["anyOf"] = []schemaNode{text, {"const": 0}}
	default:
		return nil, fmt.Errorf("has no form for %s", preset.Type())
	}
	if !preset.IsZero() {
		node["default"] = presetText(preset)
	}
	return node, nil
}

// presetText is a default as people write it.
func presetText(v reflect.Value) any {
	d, ok := v.Interface().(time.Duration)
	if !ok {
		return v.Interface()
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// providerNodes are the settings of each provider.
func providerNodes(registry normalizer.Registry) schemaNode {
	nodes := schemaNode{}
	for _, p := range registry {
		properties := schemaNode{}
		for _, s := range p.AllSettings() {
			properties[strings.ToLower(s.Name)] = schemaNode{"type": "string", "description": s.Doc}
		}
		account := schemaNode{"type": []string{"object", "null"}, "additionalProperties": false, "properties": maps.Clone(properties)}
		properties[accountsKey] = schemaNode{
			"type": "object", "description": "further accounts at the provider, by name, each with the settings that the provider has",
			"propertyNames": schemaNode{"pattern": accountName.String(), "maxLength": maxAccount}, "additionalProperties": account,
		}
		nodes[p.Name] = schemaNode{"type": "object", "additionalProperties": false, "properties": properties, "description": p.Title}
	}
	return nodes
}
