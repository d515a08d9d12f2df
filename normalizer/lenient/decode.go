package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDepth bounds the nesting of a body: deeper ones are hostile, not calls.
const maxDepth = 64

// ParseJSON reads a JSON body. Numbers keep their digits until asked for.
func ParseJSON(b []byte) (Node, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
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
		return nil, errors.New("parse json: " + whyNot(err))
	}
	if dec.More() {
		return nil, errors.New("parse json: more than one value")
	}
	return v, nil
}

// whyNot is why a body is no JSON.
func whyNot(err error) string {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return "the body is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends too early"
	case errors.As(err, &syntax):
		return fmt.Sprintf("a mistake at byte %d: %v", syntax.Offset, syntax)
	}
	return err.Error()
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
