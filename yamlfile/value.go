package yamlfile

import (
	"math"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Anything is a value as JSON has it.
func (d *Document) Anything(n ast.Node) any {
	n, ok := d.Plain(n)
	if !ok {
		return nil
	}
	switch s := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		m := map[string]any{}
		d.Entries(n, "value", func(key string, _ Pos, value ast.Node) { m[key] = d.Anything(value) })
		return m
	case *ast.SequenceNode:
		list := []any{}
		for _, e := range s.Values {
			list = append(list, d.Anything(e))
		}
		return list
	case *ast.BoolNode:
		return s.Value
	case *ast.IntegerNode, *ast.FloatNode:
		text, _ := d.Text(n, "value")
		if v, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(v) <= maxExact {
			return v
		}
		return text
	case *ast.NullNode, nil:
		return nil
	}
	s, _ := d.Text(n, "value")
	return s
}

const maxExact = 1e15 // what JSON carries exactly
