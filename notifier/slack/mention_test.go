package slack

import (
	"testing"

	"callwatch/rules"
)

// Ids and the two words for a channel are mentions; whatever else is there is text.
func TestMention(t *testing.T) {
	for name, want := range map[string]markup{
		"U0123ABCD": "<@U0123ABCD>", "W0123ABCD": "<@W0123ABCD>", "S0123ABCD": "<!subteam^S0123ABCD>", "here": "<!here>", "channel": "<!channel>",
		"everyone": escaped("everyone", maxValue), "SUPPORTTEAM": "SUPPORTTEAM", "<!channel>": escaped("<!channel>", maxValue),
		"U0123ABCD|x": escaped("U0123ABCD|x", maxValue), "@here": escaped("@here", maxValue), "voice team": "voice team",
		"C0123ABCD": escaped("C0123ABCD", maxValue),
	} {
		if got := mention(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	in := &rules.Incident{State: rules.Firing, Mention: []string{"here", "U0123ABCD"}}
	if got := mentions(in); got != "<!here> <@U0123ABCD>" {
		t.Errorf("%q", got)
	}
	if in.State = rules.Resolved; mentions(in) != "" {
		t.Error("a resolved incident calls somebody")
	}
}
