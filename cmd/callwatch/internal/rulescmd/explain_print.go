package rulescmd

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/rules"
)

// printCall prints what the rules made of one call, for a person in a hurry:
// the verdict first, then every sub-expression with the value it met.
func printCall(w io.Writer, indent string, c *rules.CallExplanation) {
	fmt.Fprintln(w, indent+"call "+callLine(&c.Call))
	for i := range c.Rules {
		printExplanation(w, indent+"  ", &c.Rules[i])
	}
}

func callLine(e *call.Event) string {
	parts := []string{e.Provider + " " + e.CallID, string(e.Kind)}
	for _, name := range []string{"direction", "status", "durationSec", "from", "to"} {
		if f, _ := call.Lookup(name); f.Value(e) != nil {
			parts = append(parts, name+" "+valueText(f.Value(e)))
		}
	}
	return cli.Printable(strings.Join(parts, ", ")).(string)
}

func printExplanation(w io.Writer, indent string, x *rules.Explanation) {
	verdict := verdictText(x)
	if x.Verdict == rules.VerdictMatched {
		verdict = cli.Styled(w, cli.Strong, "MATCHED") + ", " + cli.Severity(w, x.Severity)
	}
	fmt.Fprintf(w, "%s%s: %s\n", indent, x.Rule, verdict)
	for _, h := range x.HeldBack {
		fmt.Fprintf(w, "%s  held back by %s: %s\n", indent, h.By, h.Text)
	}
	if x.Error != "" {
		fmt.Fprintf(w, "%s  error: %s\n", indent, x.Error)
	}
	if x.Incident != "" {
		fmt.Fprintf(w, "%s  incident %s%s, %s\n", indent, x.Incident, labelsText(x.By), announcedText(x))
	}
	for i := range x.Parts {
		printTree(w, indent+"  ", x.Parts[i].Name, &x.Parts[i].Tree)
	}
}

// announcedText says where an incident was announced, or that it was not: HeldBack says why.
func announcedText(x *rules.Explanation) string {
	if slices.ContainsFunc(x.HeldBack, func(h rules.Reason) bool { return h.By == "mode" || h.By == "silence" || h.By == "adopts" }) {
		return "not announced"
	}
	return "announced in " + cmp.Or(strings.Join(x.Slack, ", "), "the configured channel")
}

func verdictText(x *rules.Explanation) string {
	if x.Verdict == rules.VerdictUnjudged && len(x.Missing) > 0 {
		return "unjudged: unknown " + strings.Join(x.Missing, ", ")
	}
	return strings.ReplaceAll(string(x.Verdict), "-", " ")
}

func labelsText(labels []rules.Label) string {
	var b strings.Builder
	for _, l := range labels {
		fmt.Fprintf(&b, " %s=%s", l.Name, cmp.Or(fmt.Sprint(cli.Printable(l.Value)), "unknown"))
	}
	return b.String()
}

// printTree prints a condition and those it is made of, one a line, with the
// values that a condition compares behind it.
func printTree(w io.Writer, indent, label string, t *rules.Tree) {
	text := prefix(label) + prefix(t.Macro) + t.Expr
	values := operands(t)
	if t.Error != "" {
		values = append(values, "error: "+t.Error)
	}
	if len(values) > 0 {
		text += "   (" + strings.Join(values, ", ") + ")"
	}
	if t.Truth == "" && t.Error == "" {
		text += " = " + cmp.Or(t.Bounds(), valueText(t.Value))
	}
	fmt.Fprintf(w, "%s%-7s  %s\n", indent, t.Truth, cli.Printable(text))
	for i := range t.Children {
		if c := &t.Children[i]; c.Truth != "" {
			printTree(w, indent+"  ", "", c)
		}
	}
}

func prefix(label string) string {
	if label == "" {
		return ""
	}
	return label + ": "
}

// longOperand is the length from which the only operand of a condition is not
// written a second time.
const longOperand = 24

// operands are the values in a condition, those they are computed from behind
// them.
func operands(t *rules.Tree) []string {
	var out []string
	for i := range t.Children {
		c := &t.Children[i]
		if c.Truth != "" {
			continue
		}
		name := c.Expr + " "
		if len(t.Children) == 1 && len(c.Expr) > longOperand {
			name = "" // it is in front, and there is no other
		}
		out = append(out, name+"= "+cmp.Or(c.Error, c.Bounds(), valueText(c.Value)))
		out = append(out, operands(c)...)
	}
	return out
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "unknown"
	case float64:
		return strconv.FormatFloat(math.Round(v*10_000)/10_000, 'f', -1, 64)
	case string:
		return strconv.Quote(v)
	case []call.Interval:
		return cli.Plural(len(v), "interval")
	case *call.Interval:
		return "interval"
	case map[string]any:
		return "object"
	case []any:
		return listText(v)
	}
	return fmt.Sprint(v)
}

// maxListed is how many elements of a list are shown.
const maxListed = 5

func listText(all []any) string {
	if len(all) > 0 {
		if _, ok := all[0].(*call.Interval); ok {
			return cli.Plural(len(all), "interval")
		}
	}
	shown := make([]string, 0, maxListed+1)
	for _, v := range all[:min(len(all), maxListed)] {
		shown = append(shown, valueText(v))
	}
	if len(all) > maxListed {
		shown = append(shown, "...")
	}
	return "[" + strings.Join(shown, ", ") + "]"
}
