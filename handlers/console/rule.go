package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/chart"
	"callwatch/handlers/console/format"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// compiled is the rules in force as compiled for pages, by the digest of the file.
type compiled struct {
	mu     sync.Mutex
	digest string
	set    *rules.Set
}

// ruleSet is the rules in force; nil where their source is not known.
func (c *console) ruleSet() *rules.Set {
	file := c.Rules()
	if len(file.Sources) == 0 {
		return nil
	}
	c.compiled.mu.Lock()
	defer c.compiled.mu.Unlock()
	if c.compiled.set == nil || c.compiled.digest != file.Digest {
		set, problems, err := rulefmt.LoadSources(context.Background(), file.Sources)
		if err != nil || problems.Errors() {
			return nil
		}
		c.compiled.digest, c.compiled.set = file.Digest, set
	}
	return c.compiled.set
}

type ruleView struct {
	Health    rules.Health
	Rule      *rules.Rule // nil where the source is not known
	YAML      string
	Parts     []rules.Part
	Levels    []pair // the ladder and what resolves it
	Keys      []keyView
	Incidents []rules.Incident
	More      int
	MoreKeys  int
	When      string // its condition, for the workbench
	File      backend.RulesFile
}

// keyView is one key of the rule: its figure now beside the limit, and its open incident.
type keyView struct {
	By       []rules.Label
	Severity rules.Severity // of the incident
	Incident string         // "" for none
	State    string
	Value    string
	Limit    string
	Spark    string
	OpenedAt time.Time
}

const (
	maxRuleIncidents = 50
	maxRuleKeys      = 100
)

func (c *console) rule(ec echo.Context) error {
	name := ec.Param("name")
	healths := c.Health()
	i := slices.IndexFunc(healths, func(h rules.Health) bool { return h.Rule == name })
	if i < 0 {
		return notFound("rule")
	}
	v := ruleView{Health: healths[i], File: c.Rules()}
	if set := c.ruleSet(); set != nil {
		if v.Rule = ruleNamed(set, name); v.Rule != nil {
			v.YAML = yamlOf(v.File.Sources, v.Rule)
			v.Parts = partsOf(set, name)
			v.Levels = slices.DeleteFunc(expressionsOf(v.Rule), func(x pair) bool { return x.Name == "when" })
			if v.Rule.When != nil {
				v.When = v.Rule.When.String()
			}
		}
	}
	latest, err := c.Latest(ec.Request().Context())
	if err != nil {
		return failed(err, "incident")
	}
	v.incidents(c.Open(), latest, name)
	v.keys(c.Keys(name))
	return c.page(ec, http.StatusOK, "rule", view{Title: "Rule " + name, At: "rules", Body: v})
}

// incidents are those of the rule: open ones with their figures, then all.
func (v *ruleView) incidents(open, latest []rules.Incident, name string) {
	seen := map[string]bool{}
	for _, in := range append(slices.Clone(open), latest...) {
		if in.Rule != name || seen[in.ID] {
			continue
		}
		seen[in.ID] = true
		v.Incidents = append(v.Incidents, in)
		if in.State == rules.Resolved {
			continue
		}
		k := keyView{By: in.By, Severity: in.Severity, Incident: in.ID, State: format.State(in), OpenedAt: in.OpenedAt}
		if in.Values != nil {
			k.Value, k.Spark = in.Values.LatestText(), sparkOf(in.Trend)
		}
		v.Keys = append(v.Keys, k)
	}
	slices.SortFunc(v.Incidents, func(a, b rules.Incident) int { return b.OpenedAt.Compare(a.OpenedAt) })
	v.More = max(0, len(v.Incidents)-maxRuleIncidents)
	v.Incidents = v.Incidents[:len(v.Incidents)-v.More]
}

// keys adds what the windows say now to the open incidents, and the keys that have none.
func (v *ruleView) keys(now []rules.KeyHealth) {
	for i := range now {
		h := &now[i]
		at := slices.IndexFunc(v.Keys, func(k keyView) bool { return h.Incident != "" && k.Incident == h.Incident })
		if at < 0 {
			at = len(v.Keys)
			v.Keys = append(v.Keys, keyView{By: h.By, State: stateOfKey(h)})
		}
		k := &v.Keys[at]
		if h.Values != nil {
			k.Value, k.Spark = h.Values.LatestText(), sparkOf(h.Trend)
			if h.Limit != nil {
				limit := *h.Values
				limit.Latest, limit.Measure = *h.Limit, rules.Measure{Low: *h.Limit, High: *h.Limit}
				k.Limit = limit.LatestText()
			}
		}
	}
	v.MoreKeys = max(0, len(v.Keys)-maxRuleKeys)
	v.Keys = v.Keys[:len(v.Keys)-v.MoreKeys]
}

func sparkOf(trend []rules.Point) string {
	values := make([]*float64, len(trend))
	for i := range trend {
		values[i] = &trend[i].Value
	}
	return chart.Sparkline(values)
}

// stateOfKey is how a key without an incident is, in words.
func stateOfKey(h *rules.KeyHealth) string {
	switch {
	case h.TooFew != nil && !h.Holds:
		return fmt.Sprintf("%d measured, too few", *h.TooFew)
	case h.Holds:
		return "holds"
	case h.Unknown:
		return "unknown"
	}
	return "quiet"
}

// Workbench is the address of the workbench with the rule in it, which is run over the
// last week.
func (v ruleView) Workbench() string {
	q := url.Values{"name": {v.Health.Rule}, "whole": {"rules:\n" + v.YAML}, "run": {"1"}}
	if len(q.Encode()) > 6000 { // of what servers and proxies take
		q = url.Values{"name": {v.Health.Rule}, "expr": {v.When}} // it may lack settings: it is not run at once
	}
	return "/rules?" + q.Encode()
}

// yamlOf cuts a rule out of its file, by the line of its name: from the dash before
// it to the next line that is indented no more, without tests and what follows them.
func yamlOf(sources []rules.Source, r *rules.Rule) string {
	i := slices.IndexFunc(sources, func(s rules.Source) bool { return s.Name == r.File })
	if i < 0 {
		return ""
	}
	lines := strings.Split(string(sources[i].Text), "\n")
	at := r.Line - 1
	if at < 0 || at >= len(lines) {
		return ""
	}
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	for at > 0 && !strings.HasPrefix(strings.TrimSpace(lines[at]), "-") {
		at--
	}
	dash, end := indent(lines[at]), at+1
	for ; end < len(lines); end++ {
		text := strings.TrimSpace(lines[end])
		if text != "" && indent(lines[end]) <= dash || strings.HasPrefix(text, "tests:") && indent(lines[end]) <= dash+2 {
			break
		}
	}
	return strings.TrimRight(strings.Join(lines[at:end], "\n"), "\n ") + "\n"
}
