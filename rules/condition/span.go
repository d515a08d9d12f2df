package condition

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// expr-lang has no spans of time. prev(f, 24h) is given to its parser with digits in
// their place, as many, so that positions stay true; in the syntax tree the span is
// what is there.

// maxAgo is how far back prev goes.
const maxAgo = 31 * 24 * time.Hour

// spanWord is a span of time where a number may begin.
var spanWord = regexp.MustCompile(`^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w))+`)

// spans is the source as the parser is to read it, and the spans of time that it had by
// their place in characters. Texts in quotes and comments stay as they are.
func spans(src string) (string, map[int]string) {
	if !strings.ContainsAny(src, "0123456789") {
		return src, nil
	}
	var found map[int]string
	text := []rune(src)
	word := func(r rune) bool { return r == '_' || r == '$' || r == '.' || r >= 0x80 || isLetter(r) || isDigit(r) }
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case r == '"' || r == '\'' || r == '`':
			i = closing(text, i)
		case isDigit(r) && (i == 0 || !word(text[i-1])):
			end := i
			for end < len(text) && word(text[end]) {
				end++
			}
			if w := string(text[i:end]); spanWord.FindString(w) == w {
				if found == nil {
					found = map[int]string{}
				}
				found[i] = w
				for j := i; j < end; j++ {
					text[j] = '0'
				}
			}
			i = end - 1
		case word(r):
			for i+1 < len(text) && word(text[i+1]) {
				i++
			}
		}
	}
	if found == nil {
		return src, nil
	}
	return string(text), found
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
func isDigit(r rune) bool  { return r >= '0' && r <= '9' }

// closing is where the text in quotes that begins at i ends.
func closing(text []rune, i int) int {
	quote := text[i]
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && quote != '`':
			j++
		case text[j] == quote:
			return j
		}
	}
	return len(text)
}

// spanNode is a span of time in the syntax tree, as it was written.
type spanNode string

// ownSpans puts spans back where the parser read digits.
type ownSpans map[int]string

func (o ownSpans) Visit(n *ast.Node) {
	if digits, ok := (*n).(*ast.IntegerNode); ok {
		if written, span := o[digits.Location().From]; span {
			c := &ast.ConstantNode{Value: spanNode(written)}
			c.SetLocation(digits.Location())
			*n = c
		}
	}
}

// spanOf is the span of time that a part of a syntax tree is.
func spanOf(n ast.Node) (written string, span time.Duration, ok bool) {
	c, constant := n.(*ast.ConstantNode)
	if !constant {
		return "", 0, false
	}
	text, ok := c.Value.(spanNode)
	return string(text), parseSpan(string(text)), ok
}

var spanPart = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)`)

// parseSpan is 0 for a span that is too long.
func parseSpan(s string) time.Duration {
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
	total := 0.0
	for _, part := range spanPart.FindAllStringSubmatch(s, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0
		}
		total += n * float64(units[part[2]])
	}
	if total > float64(100*maxAgo) {
		return 0
	}
	return time.Duration(total)
}

// strayed refuses a span of time that prev does not take.
func (c *compiler) strayed(n *ast.ConstantNode) *node {
	written, span, ok := spanOf(n)
	if !ok {
		return c.fail(n.Location(), CodeUnsupported, "this is not part of conditions", "")
	}
	hint := "use it in prev, e.g. prev(rate(answered), 24h)"
	if span > 0 {
		hint = fmt.Sprintf("durations are numbers in the unit of their field: %s ms, %s s; %s", plain(float64(span.Milliseconds())), plain(span.Seconds()), hint)
	}
	return c.fail(n.Location(), CodeUnsupported, fmt.Sprintf("the span of time %s is not allowed here", written), hint)
}
