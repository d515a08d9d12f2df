package rules

import (
	"strconv"
	"time"

	"callwatch/rules/condition"
)

// alertEnv is the environment of conditions on incidents: the fields of the call
// that opened it, and what LoadExtra is given in factsOf.
func alertEnv(env condition.Env) condition.Env {
	env.Extra = []string{"rule", "severity", "owner", "incident"}
	return env
}

// channels are where an incident is announced: the rule's own route, else the
// first of the file's routes that matches, and those after it while they say so.
func (s *Set) channels(r *Rule, in *Incident) []string {
	if len(r.Slack) > 0 {
		return r.Slack
	}
	facts := factsOf(in)
	var out []string
	for _, route := range s.Routes {
		if route.Match != nil && route.Match.Eval(facts).Truth != condition.True {
			continue
		}
		out = append(out, route.Slack...)
		if !route.Continue {
			break
		}
	}
	return out
}

// textOf is a field's value as it stands in a key.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	default:
		return ""
	}
}
