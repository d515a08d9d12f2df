package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
	"callwatch/rules"
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
	if len(file.Source) == 0 {
		return nil
	}
	c.compiled.mu.Lock()
	defer c.compiled.mu.Unlock()
	if c.compiled.set == nil || c.compiled.digest != file.Digest {
		set, problems := rules.Load(file.Path, file.Source)
		if problems.Errors() {
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
	When      string // its condition, for the workbench
	File      backend.RulesFile
}

// keyView is an open incident of the rule with its figure.
type keyView struct {
	Incident rules.Incident
	Value    string
	Spark    string
}

const maxRuleIncidents = 50

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
			v.YAML = yamlOf(v.File.Source, v.Rule.Line)
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
		k := keyView{Incident: in}
		if in.Values != nil {
			k.Value = in.Values.LatestText()
			var trend []*float64
			for i := range in.Trend {
				trend = append(trend, &in.Trend[i].Value)
			}
			k.Spark = sparkline(trend)
		}
		v.Keys = append(v.Keys, k)
	}
	slices.SortFunc(v.Incidents, func(a, b rules.Incident) int { return b.OpenedAt.Compare(a.OpenedAt) })
	v.More = max(0, len(v.Incidents)-maxRuleIncidents)
	v.Incidents = v.Incidents[:len(v.Incidents)-v.More]
}

// Workbench is the address of the workbench with the rule in it.
func (v ruleView) Workbench() string {
	q := url.Values{"name": {v.Health.Rule}, "whole": {"rules:\n" + v.YAML}}
	if len(q.Encode()) > 6000 { // of what servers and proxies take
		q = url.Values{"name": {v.Health.Rule}, "expr": {v.When}}
	}
	return "/rules?" + q.Encode()
}

// yamlOf cuts a rule out of its file, by the line of its name: from the dash before
// it to the next line that is indented no more, without tests and what follows them.
func yamlOf(src []byte, line int) string {
	lines := strings.Split(string(src), "\n")
	at := line - 1
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
