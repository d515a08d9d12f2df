package slackpreview

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// span is a run of text in one style. Its text is plain and escaped by the
// template.
type span struct {
	Text   string
	Bold   bool
	Italic bool
	Strike bool
	Code   bool
	Href   string    // http or https only
	Time   time.Time // a moment that the reader sees in their own zone
}

// mrkdwn reads Slack's markup as far as messages of ours use it. What is no
// markup stays text.
func mrkdwn(s string) []span { return spans(nil, s, span{}) }

func spans(out []span, s string, style span) []span {
	text := 0 // start of the text not yet written
	for i := 0; i < len(s); {
		inner, end := marked(s, i)
		if end == 0 {
			i++
			continue
		}
		out = plain(out, s[text:i], style)
		switch next := style; s[i] {
		case '<':
			out = append(out, special(inner, style))
		case '`':
			next.Code = true
			out = plain(out, inner, next)
		case '*':
			next.Bold = true
			out = spans(out, inner, next)
		case '_':
			next.Italic = true
			out = spans(out, inner, next)
		case '~':
			next.Strike = true
			out = spans(out, inner, next)
		}
		i, text = end, end
	}
	return plain(out, s[text:], style)
}

// marked finds the markup that starts at i: what it holds and where it ends, 0
// for none.
func marked(s string, i int) (inner string, end int) {
	switch s[i] {
	case '<':
		if n := strings.IndexByte(s[i:], '>'); n > 1 {
			return s[i+1 : i+n], i + n + 1
		}
	case '`':
		fence := "`"
		if strings.HasPrefix(s[i:], "```") {
			fence = "```"
		}
		from := i + len(fence)
		if n := strings.Index(s[from:], fence); n > 0 {
			return s[from : from+n], from + n + len(fence)
		}
	case '*', '_', '~':
		if before, _ := utf8.DecodeLastRuneInString(s[:i]); wordRune(before) {
			return "", 0
		}
		n := strings.IndexByte(s[i+1:], s[i])
		if n < 1 {
			return "", 0
		}
		inner, end = s[i+1:i+1+n], i+n+2
		after, _ := utf8.DecodeRuneInString(s[end:])
		if wordRune(after) || strings.TrimSpace(inner) != inner || strings.ContainsRune(inner, '\n') {
			return "", 0
		}
		return inner, end
	}
	return "", 0
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func plain(out []span, s string, style span) []span {
	if s == "" {
		return out
	}
	style.Text = plainText(s)
	return append(out, style)
}

// plainText is text as Slack shows it where markup means nothing: entities are
// characters, and the names of emoji that our messages use are pictures.
func plainText(s string) string {
	return strings.NewReplacer(
		"&lt;", "<", "&gt;", ">", "&amp;", "&",
		":red_circle:", "🔴", ":large_yellow_circle:", "🟡", ":large_blue_circle:", "🔵",
		":white_check_mark:", "✅", ":arrow_up:", "⬆️", ":small_red_triangle:", "🔺", ":grey_question:", "❔",
		":warning:", "⚠️", ":book:", "📖", ":test_tube:", "🧪", ":eyes:", "👀", ":no_bell:", "🔕", ":bell:", "🔔",
		":link:", "🔗", ":alarm_clock:", "⏰", ":leftwards_arrow_with_hook:", "↩️", ":mag:", "🔍", ":tornado:", "🌪️",
		":bust_in_silhouette:", "👤", ":memo:", "📝",
	).Replace(s)
}

// special is what is between angle brackets: a link, a moment, a mention.
func special(inner string, style span) span {
	target, label, labelled := strings.Cut(inner, "|")
	if !labelled {
		label = target
	}
	switch {
	case strings.HasPrefix(target, "https://"), strings.HasPrefix(target, "http://"):
		style.Href = strings.ReplaceAll(target, "&amp;", "&")
	case strings.HasPrefix(target, "!date^"):
		sec, _, _ := strings.Cut(strings.TrimPrefix(target, "!date^"), "^")
		if n, err := strconv.ParseInt(sec, 10, 64); err == nil && labelled {
			style.Time = time.Unix(n, 0).UTC()
		}
	case strings.HasPrefix(target, "#") && labelled:
		label = "#" + label
	case strings.HasPrefix(target, "!") && !labelled, strings.HasPrefix(target, "@"):
		label = "@" + strings.TrimLeft(target, "!@")
	}
	if s := plain(nil, label, style); len(s) == 1 {
		return s[0]
	}
	return style
}
