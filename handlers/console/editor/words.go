// Package editor is what the console's editor of expressions completes.
package editor

import (
	"slices"

	"callwatch/call"
	"callwatch/handlers/backend"
)

// Word is something that expressions can name.
type Word struct {
	Label  string `json:"label"`
	Type   string `json:"type"`
	Detail string `json:"detail,omitempty"`
	Info   string `json:"info,omitempty"`

	Values []string `json:"values,omitempty"` // that a text can have, or has had
}

// maxValues bounds the values of one field that the editor completes.
const maxValues = 50

// knownValues are the values of texts that events had, beside those that a field can
// have.
func knownValues(providers []string, seen []backend.StoredEvent) map[string][]string {
	values := map[string][]string{}
	add := func(name, v string) {
		if v != "" && len(v) <= 100 && len(values[name]) < maxValues && !slices.Contains(values[name], v) {
			values[name] = append(values[name], v)
		}
	}
	for _, f := range call.Fields() {
		for _, v := range f.Enum {
			add(f.Name, v)
		}
	}
	for _, name := range providers {
		add("provider", name)
	}
	for i := range seen {
		for _, name := range []string{"provider", "region", "codec", "agentName", "agentId", "hangupCause", "hangupClass", "toCountry", "fromCountry", "connectionId", "campaignId"} {
			if f, ok := call.Lookup(name); ok {
				if v, ok := f.Text(&seen[i].Event); ok {
					add(name, v)
				}
			}
		}
	}
	return values
}

// Words are what the editor completes: fields, with the values that the events had,
// keywords and functions.
func Words(providers []string, seen []backend.StoredEvent) []Word {
	all, values := []Word{}, knownValues(providers, seen)
	for _, f := range call.Fields() {
		detail := string(f.Type)
		if f.Unit != "" {
			detail += ", " + f.Unit
		}
		all = append(all, Word{f.Name, "variable", detail, f.Doc, values[f.Name]})
	}
	for _, name := range []string{"contains", "startsWith", "endsWith", "matches", "in", "not", "and", "or", "nil", "true", "false"} {
		all = append(all, Word{Label: name, Type: "keyword"})
	}
	for _, name := range []explained{{"hour", "of the day, 0 to 23, by the rule's tz"}, {"weekday", "mon, tue, ... sun, by the rule's tz"}} {
		all = append(all, Word{Label: name.name, Type: "variable", Info: name.gives})
	}
	for _, f := range functions() {
		all = append(all, Word{Label: f.name, Type: "function", Info: f.gives})
	}
	return all
}

// explained is a word with what it gives.
type explained struct{ name, gives string }

// functions are those of the rule language, each with what it gives.
func functions() []explained {
	return []explained{
		{"len", "length of a text or list"},
		{"abs", "without its sign"},
		{"round", "to a whole number"},
		{"floor", "the whole number below"},
		{"ceil", "the whole number above"},
		{"int", "the whole part; of a text, the number it reads as"},
		{"float", "the number that a text reads as"},
		{"string", "as a text"},
		{"min", "the smallest of several, or of a list; of one value, over a window"},
		{"max", "the largest of several, or of a list; of one value, over a window"},
		{"ratio", "x / y, where y is at least the third argument"},
		{"lower", "in lower case"},
		{"upper", "in upper case"},
		{"trim", "without spaces around it"},
		{"hasPrefix", "whether a text begins with another"},
		{"hasSuffix", "whether a text ends with another"},
		{"split", "the parts of a text between a separator"},
		{"replace", "with each occurrence of a text replaced"},
		{"any", "one element meets the condition"},
		{"all", "every element does"},
		{"none", "no element does"},
		{"one", "exactly one does"},
		{"count", "how many elements, or calls of a window, do"},
		{"filter", "the elements that do"},
		{"longest", "how many elements in a row do"},
		{"find", "the first element that does"},
		{"map", "the list of what is taken of each element"},
		{"mean", "mean over the elements of a list"},
		{"median", "median over the elements of a list"},
		{"first", "the first element of a list"},
		{"last", "the last element of a list"},
		{"date", "a point in time"},
		{"rate", "share of a window's calls that meet the condition"},
		{"calls", "number of a window's calls"},
		{"avg", "mean over a window"},
		{"sum", "sum over the elements of a list; of one value, over a window"},
		{"p50", "median over a window"},
		{"p90", "90th percentile over a window"},
		{"p95", "95th percentile over a window"},
		{"p99", "99th percentile over a window"},
		{"p", "any percentile over a window: p(rttMs, 99.5)"},
		{"distinct", "number of different values in a window"},
		{"prev", "the same over the window before"},
	}
}
