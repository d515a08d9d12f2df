package notifier

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// markup is text in Slack's own form. Only constants of this package and the
// functions below make it, so that nothing a provider sent gets in unescaped.
type markup string

// escaped makes text of unknown origin safe and at most limit (at least 1) long: one line,
// & < > as entities, no back-ticks, no mention, nothing that turns the reading
// direction. It is cut between runes, and the cut is marked.
func escaped(s string, limit int) markup {
	var b strings.Builder
	size, kept := 0, 0 // kept: the longest prefix that leaves room for the mark
	space := true      // leading space is dropped
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i, r := range s {
		t := neutral(r, s[i+utf8.RuneLen(r):])
		if t == "" || t == " " && space {
			continue
		}
		space = t == " "
		if size += length(t); size > limit {
			return markup(strings.TrimRight(b.String()[:kept], " ") + "…")
		}
		b.WriteString(t)
		if size < limit {
			kept = b.Len()
		}
	}
	return markup(strings.TrimRight(b.String(), " "))
}

// neutral is what stands for one rune of foreign text; rest follows it.
func neutral(r rune, rest string) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '`':
		return "'"
	case r == '@' && broadcast(rest):
		return "@\u2060" // word joiner: looks the same, names nobody
	case unicode.IsSpace(r) || unicode.IsControl(r):
		return " "
	case unicode.Is(unicode.Bidi_Control, r) || r == '\u2060' || r == '\u200B' || r == '\uFEFF':
		return ""
	default:
		return string(r)
	}
}

// broadcast says whether what follows an @ would name everybody.
func broadcast(rest string) bool {
	for _, name := range [...]string{"here", "channel", "everyone"} {
		if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
			return true
		}
	}
	return false
}

// length counts as Slack's limits do, taking the larger of the two readings of
// "character": UTF-16 units.
func length[T ~string](s T) int {
	n := 0
	for _, r := range string(s) {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// code shows s as code, for names that are to be copied.
func code(s string, limit int) markup {
	if t := escaped(s, limit-2); t != "" {
		return "`" + t + "`"
	}
	return ""
}

// joined puts parts together with sep, leaving out the empty ones.
func joined(sep markup, parts ...markup) markup {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(string(sep))
		}
		b.WriteString(string(p))
	}
	return markup(b.String())
}

// lines puts lines below one another as far as they fit into limit, and marks
// that some did not.
func lines(limit int, ls ...markup) markup {
	const rest = "…"
	all := joined("\n", ls...)
	if length(all) <= limit {
		return all
	}
	var out markup
	for _, l := range ls {
		next := joined("\n", out, l)
		if length(next)+length(rest)+1 > limit {
			break
		}
		out = next
	}
	return joined("\n", out, rest)
}

// plainText is m for places where Slack reads no markup, and for other receivers:
// entities are decoded.
func plainText(m markup) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(string(m))
}
