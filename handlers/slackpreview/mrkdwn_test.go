package slackpreview

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMrkdwn(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []span
	}{
		{"", nil},
		{"a &lt;b&gt; &amp;amp;", []span{{Text: "a <b> &amp;"}}},
		{"*b* `c*d*` _i_ ~s~", []span{
			{Text: "b", Bold: true},
			{Text: " "},
			{Text: "c*d*", Code: true},
			{Text: " "},
			{Text: "i", Italic: true},
			{Text: " "},
			{Text: "s", Strike: true},
		}},
		{"*<https://x.example/?a=1&amp;b|link> _both_*", []span{
			{Text: "link", Bold: true, Href: "https://x.example/?a=1&b"}, {Text: " ", Bold: true}, {Text: "both", Bold: true, Italic: true},
		}},
		{"```a\n*b*```", []span{{Text: "a\n*b*", Code: true}}},
		{"2*3*4 snake_case_name * no*", []span{{Text: "2*3*4 snake_case_name * no*"}}},
		{"*open `too <", []span{{Text: "*open `too <"}}},
		{"<!date^1772366400^{date} {time}|1 Mar>", []span{{Text: "1 Mar", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}},
		{"<!here> <@U1> <#C1|alerts> <javascript:x|y>", []span{
			{Text: "@here"}, {Text: " "}, {Text: "@U1"}, {Text: " "}, {Text: "#alerts"}, {Text: " "}, {Text: "y"},
		}},
		{"é*ü*", []span{{Text: "é*ü*"}}},
	} {
		if diff := cmp.Diff(tc.want, mrkdwn(tc.in)); diff != "" {
			t.Errorf("%q: %s", tc.in, diff)
		}
	}
}

// FuzzMrkdwn: no text is lost into a panic or an endless loop, and every link
// leads to the web.
func FuzzMrkdwn(f *testing.F) {
	f.Add("*a <https://x|b>* `c` ```d``` <!date^1^x|y> _~z~_")
	f.Add("**__``<<>>||")
	f.Fuzz(func(t *testing.T, s string) {
		for _, sp := range mrkdwn(s) {
			if sp.Href != "" && !hasWebScheme(sp.Href) {
				t.Errorf("link to %q", sp.Href)
			}
		}
	})
}

func hasWebScheme(s string) bool {
	return len(s) > 7 && s[:7] == "http://" || len(s) > 8 && s[:8] == "https://" || s == "http://" || s == "https://"
}

// The preview knows each emoji that the messages use.
func TestEmojiAreKnown(t *testing.T) {
	files, err := filepath.Glob("../../notifier/slack/testdata/*.golden.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	name := regexp.MustCompile(`:[a-z][a-z_]+:`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if left := name.FindAllString(plainText(string(content)), -1); len(left) > 0 {
			t.Errorf("%s: %q are shown as text", file, left)
		}
	}
}
