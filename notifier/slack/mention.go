package slack

import (
	"regexp"
	"strings"

	"callwatch/rules"
)

var (
	userID  = regexp.MustCompile(`^[UW][A-Z0-9]{6,20}$`)
	groupID = regexp.MustCompile(`^S[A-Z0-9]{6,20}$`)
)

// mention is one that a rules file calls. Ids, which have a digit, and the two words for
// a channel are mentions; whatever else is there is text.
func mention(name string) markup {
	digit := strings.ContainsAny(name, "0123456789")
	switch {
	case digit && userID.MatchString(name):
		return markup("<@" + name + ">")
	case digit && groupID.MatchString(name):
		return markup("<!subteam^" + name + ">")
	case name == "here" || name == "channel":
		return markup("<!" + name + ">")
	}
	return escaped(name, maxValue)
}

// mentions are all whom an incident calls; "" where it calls nobody, or is resolved.
func mentions(in *rules.Incident) markup {
	var all []markup
	for _, name := range in.Mention {
		all = append(all, mention(name))
	}
	if in.State == rules.Resolved {
		return ""
	}
	return joined(" ", all...)
}
