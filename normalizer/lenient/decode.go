package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// maxDepth bounds the nesting of a body: deeper ones are hostile, not calls.
const maxDepth = 64

// ParseJSON reads a JSON body. Numbers keep their digits until asked for.
func ParseJSON(b []byte) (Node, error) {
	if d, ok := read(b); ok {
		return d.node(0), nil
	}
	v, err := decodeJSON(b)
	return Node{v: v}, err
}

// decodeJSON decodes a body by package json.
func decodeJSON(b []byte) (any, error) {
	if err := checkDepth(b); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("parse json: %w", err)
	}
	if dec.More() {
		return nil, errors.New("parse json: more than one value")
	}
	return v, nil
}

// checkDepth refuses bodies nested deeper than maxDepth before they are decoded.
func checkDepth(b []byte) error {
	if bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) <= maxDepth {
		return nil // not that many, however they are nested
	}
	depth, quoted, escaped := 0, false, false
	for _, c := range b {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("parse json: nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
