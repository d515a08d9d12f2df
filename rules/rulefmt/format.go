package rulefmt

import (
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"callwatch/rules"
)

// Format puts the keys of a rules file into their usual order. Comments move with
// the key they are above; everything else stays as it was written. Keys that
// are not known come last. A file that is no YAML, or more of it than rules files
// may be, gives problems.
func Format(name string, src []byte) ([]byte, rules.Problems) {
	text := yamlText(src)
	d, root := parseDocument(name, []byte(text))
	if d.Problems.Errors() {
		return nil, d.Problems
	}
	f := formatter{lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}
	before := d.Anything(root)
	if d.Problems.Errors() {
		return nil, d.Problems
	}
	out := []byte(strings.Join(f.file(root), "\n") + "\n")
	again, root := parseDocument(name, out)
	if again.Problems.Errors() || !reflect.DeepEqual(before, again.Anything(root)) {
		d.Add(pos{Line: 1, Column: 1}, "not-formatted", "this file cannot be put in order without changing its meaning", "write each rule and its keys on lines of their own")
		return nil, d.Problems
	}
	return out, d.Problems
}

// keyOrder is the order of keys in each mapping that is put in order. A list's
// elements go by the list's own key.
func keyOrder(key string) []string {
	switch key {
	case "":
		return []string{"define", "lists", "lookup", "defaults", "rules", "routes", "silences"}
	case "rules", "defaults":
		return []string{
			"name", "summary", "runbook", "owner", "labels",
			"on", "where", "except", "over", "by", "count_by", "min_calls", "absent", "expect", "new", "learn", "when", "for",
			"resolve", "resolve_after", "no_data", "severity", "cooldown", "repeat", "repeat_max", "tz", "active",
			"adopts", "route", "show", "samples", "mode", "settle", "grace", "max_keys", "tests",
		}
	case "severity":
		return rules.SeverityNames()
	case "routes":
		return []string{"match", "slack", "outputs", "mention", "storm", "continue"}
	case "silences":
		return []string{"match", "until", "hours", "days", "tz", "holidays", "comment"}
	case "tests":
		return []string{"name", "given", "advance", "expect"}
	case "given":
		return []string{"at", "after", "repeat", "every", "kind", "call", "payload", "provider"}
	case "expect":
		return []string{"state", "severity", "by", "matched", "incidents", "held"}
	}
	return nil
}

// formatter moves lines: the syntax tree only tells where keys are.
type formatter struct{ lines []string }

// file leaves what is above the first key, up to the last empty line, where
// it is: that is about the file.
func (f *formatter) file(root ast.Node) []string {
	values := entriesOf(root)
	if len(values) == 0 {
		return f.lines
	}
	first := lineOf(values[0])
	header := first
	for i := first - 1; i >= 0; i-- {
		if strings.TrimSpace(f.lines[i]) == "" {
			break
		}
		header = i
	}
	if header == 0 {
		header = first // no empty line: all of it is about the file
	}
	return slices.Concat(f.lines[:header], f.mapping("", values, header, len(f.lines)))
}

// entriesOf are the entries of a mapping in block style; none of other nodes.
func entriesOf(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle {
			return m.Values
		}
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	return nil
}

func lineOf(v *ast.MappingValueNode) int   { return at(v.Key.GetToken()).Line - 1 }
func columnOf(v *ast.MappingValueNode) int { return at(v.Key.GetToken()).Column - 1 }

// chunk is one entry of a mapping: the comments above it, and its lines.
type chunk struct {
	key   string
	above []string
	lines []string
}

// mapping puts the entries between two lines into the order of key. Comments
// behind the last one stay there.
func (f *formatter) mapping(key string, values []*ast.MappingValueNode, from, to int) []string {
	column := columnOf(values[0])
	head := f.lines[lineOf(values[0])]
	prefix := head[:min(column, len(head))] // of the first line: it may hold the dash of a list
	end := f.contentEnd(lineOf(values[len(values)-1]), to, column)
	var chunks []chunk
	for i, v := range values {
		line, next := lineOf(v), end
		if i+1 < len(values) {
			next = f.contentEnd(line, lineOf(values[i+1]), column)
		}
		name := v.Key.GetToken().Value
		lines := f.entry(name, v.Value, line, next)
		lines[0] = strings.Repeat(" ", column) + lines[0][min(column, len(lines[0])):]
		chunks = append(chunks, chunk{key: name, above: f.lines[from:line], lines: lines})
		from = next
	}
	order := keyOrder(key)
	slices.SortStableFunc(chunks, func(a, b chunk) int { return orderOf(order, a.key) - orderOf(order, b.key) })
	if key == "" {
		setApart(chunks[1:])
	}
	return append(join(chunks, prefix), f.lines[end:to]...)
}

// setApart sees to it that the parts of a file have an empty line between them.
func setApart(chunks []chunk) {
	for i, c := range chunks {
		if len(c.above) == 0 || strings.TrimSpace(c.above[0]) != "" {
			chunks[i].above = append([]string{""}, c.above...)
		}
	}
}

func orderOf(order []string, key string) int {
	if i := slices.Index(order, key); i >= 0 {
		return i
	}
	return len(order)
}

// join writes the entries one after the other. No empty line is above the
// first; its comments are above the dash where there is one.
func join(chunks []chunk, prefix string) []string {
	var out []string
	for i, c := range chunks {
		if i == 0 {
			for len(c.above) > 0 && strings.TrimSpace(c.above[0]) == "" {
				c.above = c.above[1:]
			}
			c.lines = slices.Clone(c.lines)
			c.lines[0] = prefix + c.lines[0][len(prefix):]
			if dash := strings.Index(prefix, "-"); dash >= 0 {
				c.above = slices.Clone(c.above)
				for j := range c.above {
					c.above[j] = strings.Repeat(" ", dash) + strings.TrimLeft(c.above[j], " ")
				}
			}
		}
		out = slices.Concat(out, c.above, c.lines)
	}
	return out
}

// contentEnd is behind the last line of an entry: empty lines and comments that
// are not indented deeper than its key belong to what follows.
func (f *formatter) contentEnd(from, to, column int) int {
	for to > from+1 {
		line := strings.TrimLeft(f.lines[to-1], " ")
		if line != "" && (line[0] != '#' || len(f.lines[to-1])-len(line) > column) {
			break
		}
		to--
	}
	return to
}

// entry is one entry with the mappings within it in order.
func (f *formatter) entry(key string, value ast.Node, from, to int) []string {
	if values := entriesOf(value); len(values) > 0 && keyOrder(key) != nil {
		first := f.above(from+1, lineOf(values[0]))
		return slices.Concat(f.lines[from:first], f.mapping(key, values, first, to))
	}
	seq, ok := value.(*ast.SequenceNode)
	if !ok || seq.IsFlowStyle || keyOrder(key) == nil {
		return slices.Clone(f.lines[from:to])
	}
	out := []string{}
	for i, item := range seq.Values {
		values := entriesOf(item)
		if len(values) == 0 {
			continue
		}
		end := to
		if i+1 < len(seq.Values) {
			end = nodeAt(seq.Values[i+1]).Line - 1
		}
		first := lineOf(values[0])
		end = f.itemEnd(first, end, columnOf(values[0]))
		out = slices.Concat(out, f.lines[from:first], f.mapping(key, values, first, end))
		from = end
	}
	return append(out, f.lines[from:to]...)
}

// above is the first line of the comments above a line.
func (f *formatter) above(from, line int) int {
	for line > from && strings.HasPrefix(strings.TrimLeft(f.lines[line-1], " "), "#") {
		line--
	}
	return line
}

// itemEnd is behind the last line of a list's element: comments that are
// indented less than its keys belong to the next one.
func (f *formatter) itemEnd(from, to, column int) int {
	return f.contentEnd(from, to, column-1)
}
