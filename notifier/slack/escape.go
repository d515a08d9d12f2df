package slack

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// markup is text in Slack's own form. Only constants of this package and the
// functions below make it, so that nothing a provider sent gets in unescaped.
type markup string

// escaped makes text of unknown origin safe and at most limit (at least 1) long:
// one line, & < > as entities, no back-ticks, no mention, no formatting, emoji or
// link, nothing that turns the reading direction. It is cut between runes, and the
// cut is marked.
func escaped(s string, limit int) markup { return escape(s, limit, false) }

// joiner is a word joiner: it cannot be seen, and what is beside it forms no mark.
const joiner = "\u2060"

func escape(s string, limit int, inCode bool) markup {
	var b strings.Builder
	size, kept := 0, 0 // kept: the longest prefix that leaves room for the mark
	space := true      // leading space is dropped
	s = visible(strings.ToValidUTF8(s, "\uFFFD"))
	prev := ' '
	for i, r := range s {
		t := neutral(r, s[i+utf8.RuneLen(r):])
		if !inCode && marks(prev, r, s[i+utf8.RuneLen(r):]) {
			t = joiner + string(r) + joiner
		}
		prev = r
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

// neutral is the replacement of one rune of foreign text; rest follows it.
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
	default:
		return string(r)
	}
}

// visible leaves out what cannot be seen, before anything is recognized in the
// text: a mark in the middle would hide a mention. Joiners stay in the scripts and
// emoji that need them.
func visible(s string) string {
	prev := ' '
	return strings.Map(func(r rune) rune {
		joins := r == '\u200c' || r == '\u200d' || unicode.Is(unicode.Variation_Selector, r)
		filler := r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
		if joins && prev >= '\u0250' {
			return r
		}
		if joins || filler || unicode.Is(unicode.Cf, r) {
			return -1
		}
		prev = r
		return r
	}, s)
}

// emoji is the rest of an emoji's name after its colon.
var emoji = regexp.MustCompile(`^[\pL\pN_+\-']{1,100}:`)

// marks reports whether a rune would format what follows or went before, or begin
// an emoji or a link. Slack formats at the edges of words: names such as bad_call
// need nothing.
func marks(prev, r rune, rest string) bool {
	switch r {
	case '*', '~':
		return true
	case '_':
		next, _ := utf8.DecodeRuneInString(rest)
		return !wordRune(prev) || !wordRune(next)
	case ':':
		return strings.HasPrefix(rest, "//") || emoji.MatchString(rest)
	}
	return false
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
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
	if t := escape(s, limit-2, true); t != "" {
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
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", joiner, "").Replace(string(m))
}
