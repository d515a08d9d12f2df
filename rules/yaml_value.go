package rules

import (
	"math"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// anything is a value as JSON has it.
func (d *document) anything(n ast.Node) any {
	n, ok := d.plain(n)
	if !ok {
		return nil
	}
	switch s := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		m := map[string]any{}
		d.entries(n, "value", func(key string, _ pos, value ast.Node) { m[key] = d.anything(value) })
		return m
	case *ast.SequenceNode:
		list := []any{}
		for _, e := range s.Values {
			list = append(list, d.anything(e))
		}
		return list
	case *ast.BoolNode:
		return s.Value
	case *ast.IntegerNode, *ast.FloatNode:
		text, _ := d.text(n, "value")
		if v, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(v) <= maxFigure {
			return v
		}
		return text
	case *ast.NullNode, nil:
		return nil
	}
	s, _ := d.text(n, "value")
	return s
}
