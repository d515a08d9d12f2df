package rulefmt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
)

func withTables(t *testing.T, rules string, tables map[string]string) (*rules.Set, rules.Problems) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tables {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "rules.yaml"), []byte(rules))
}

func TestLookup(t *testing.T) {
	set, problems := withTables(t, `
lookup:
  carrier: {file: carriers.csv, of: to, match: prefix}
  team: {file: teams.csv, of: agentId, key: agent, value: team}
  class: {file: classes.csv, of: sipCode}
lists:
  own: ["+4930", "+4940"]
rules:
  - {name: a, by: [carrier, provider], when: 'carrier == "att"', summary: "{{ .Call.carrier }} {{ .By.carrier }} {{ .Call.team }}"}
  - {name: b, when: team == nil}
  - {name: c, when: 'team startsWith "nor" && class == "busy"'}
  - {name: d, when: from startsWith own}
  - {name: e, over: 15m, by: [team], when: 'count(carrier == "att") > 3'}
  - {name: f, when: not (from startsWith own)}
`, map[string]string{
		"carriers.csv": "\ufeffprefix, carrier\n1,att\n+1415,verizon\n44,\n",
		"teams.csv":    "name,agent,team\nx,7,\"north, east\"\n",
		"classes.csv":  "code,class\n486,busy\n",
	})
	if problems.Errors() {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		to, from, agent string
		code            int64
		want            string // truth of a, b, c, d, f
		key             string
	}{
		{"+12125550100", "+49301", "7", 486, "true false true true false", "att"},
		{"+14155550100", "+4941", "", 0, "false true unknown false true", "verizon"},
		{"+4420", "", "8", 486, "unknown true unknown unknown unknown", ""},
		{"", "", "7", 0, "unknown false unknown unknown unknown", ""},
		{"14155550100", "4930", "7", 404, "false false unknown false true", "verizon"},
	} {
		var e call.Event
		e.Provider, e.To, e.From, e.AgentID = "p", c.to, c.from, c.agent
		if c.code != 0 {
			e.SIPCode = &c.code
		}
		var facts condition.Facts
		facts.Load(&e)
		var got []string
		for _, name := range []string{"a", "b", "c", "d", "f"} {
			got = append(got, string(set.Rule(name).When.Eval(&facts).Truth))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("to %q, agent %q: %s, want %s", c.to, c.agent, text, c.want)
		}
		labels := set.Rule("a").LabelsOf(&e)
		if labels[0].Value != c.key || string(set.Rule("a").AppendKey(nil, &e)) != rules.JoinLabels(labels) {
			t.Errorf("to %q: key %q, labels %v", c.to, set.Rule("a").AppendKey(nil, &e), labels)
		}
	}
	in := &rules.Incident{By: []rules.Label{{Name: "carrier", Value: "att"}, {Name: "provider", Value: "p"}}}
	in.Worst.Call.To, in.Worst.Call.AgentID = "+1212", "9"
	if got := set.Rule("a").Summarize(in); got != "att att unknown" {
		t.Errorf("summary %q", got)
	}
}

// Routes and silences know of an incident about many calls what its key says.
func TestRouteByLookup(t *testing.T) {
	set, problems := withTables(t, `
lookup: {team: {file: teams.csv, of: agentId}}
rules: [{name: a, over: 15m, by: [team], when: calls > 3}]
routes:
  - {match: team == "north", slack: "#north"}
  - {slack: "#rest"}
`, map[string]string{"teams.csv": "agent,team\n7,north\n"})
	if problems.Errors() {
		t.Fatal(problems)
	}
	for team, want := range map[string]string{"north": "#north", "south": "#rest", "": "#rest"} {
		in := &rules.Incident{Rule: "a", By: []rules.Label{{Name: "team", Value: team}}}
		if slack, _ := set.Receivers(set.Rules[0], in); len(slack) != 1 || slack[0] != want {
			t.Errorf("%q goes to %v", team, slack)
		}
	}
}

func TestLookupRefused(t *testing.T) {
	const good = "agent,team\n7,north\n"
	for name, c := range map[string]struct{ lookup, table, says string }{
		"empty":         {"{file: t.csv, of: agentId}", "", "it is empty"},
		"only a header": {"{file: t.csv, of: agentId}", "agent,team\n", "no line below"},
		"one column":    {"{file: t.csv, of: agentId}", "agent\n7\n", "fewer than two columns"},
		"twice":         {"{file: t.csv, of: agentId}", good + "7,south\n", "line 3: the key is in line 2 already"},
		"with a plus":   {"{file: t.csv, of: to}", "prefix,carrier\n+49,a\n49,b\n", "line 3: the key is in line 2 already"},
		"semicolons":    {"{file: t.csv, of: agentId}", "agent;team\n7;north\n", "not by commas"},
		"no key":        {"{file: t.csv, of: agentId}", good + ",south\n", "line 3: the key is empty"},
		"more fields":   {"{file: t.csv, of: agentId}", good + "8,a,b\n", "line 3 has another number of columns"},
		"a quote":       {"{file: t.csv, of: agentId}", good + "8,\"a\n", "line 3"},
		"long":          {"{file: t.csv, of: agentId}", good + "8," + strings.Repeat("x", 201) + "\n", "longer than 200 bytes"},
		"bytes":         {"{file: t.csv, of: agentId}", good + "8,\xff\n", "not UTF-8"},
		"no column":     {"{file: t.csv, of: agentId, value: group}", good, `no column "group"`},
		"of a number":   {"{file: t.csv, of: mos}", good, "mos is a number"},
		"of nothing":    {"{file: t.csv}", good, "of no field"},
		"no file":       {"{of: agentId}", good, "has no file"},
		"another kind":  {"{file: t.yaml, of: agentId}", good, "not a .csv file"},
		"match":         {"{file: t.csv, of: agentId, match: regexp}", good, "one of: exact, prefix"},
	} {
		set, problems := withTables(t, "lookup: {team: "+c.lookup+"}\nrules: [{name: a, by: [team], when: team == \"north\"}]", map[string]string{"t.csv": c.table})
		if set != nil || !strings.Contains(problems.Error(), c.says) || len(problems) != 1 {
			t.Errorf("%s: want one problem that says %q: %v", name, c.says, problems)
		}
	}
	for _, name := range []string{"mos", "rate", "a-b", "calls"} {
		if set, _ := withTables(t, "lookup: {"+name+": {file: t.csv, of: agentId}}\nrules: [{name: a, when: mos < 3}]", map[string]string{"t.csv": good}); set != nil {
			t.Errorf("the name %s is taken", name)
		}
	}
	set, problems := withTables(t, "lookup: {team: {file: t.csv, of: agentId}}\nrules: [{name: a, over: 15m, when: team == \"north\"}, {name: b, when: taem == \"x\"}, {name: c, when: team > 3}]", map[string]string{"t.csv": good})
	if set != nil || len(problems) != 3 || !strings.Contains(problems.Error(), "did you mean team?") || !strings.Contains(problems.Error(), "of one call") {
		t.Errorf("%v", problems)
	}
}

// A prefix is found as by trying all of them, and the longest counts.
func FuzzTable(f *testing.F) {
	f.Add("prefix,carrier\n1,att\n1415,verizon\n+49,telekom\n", "+14155550100")
	f.Add("a,b\n\"x\"\"y\",z\n", "x\"yz")
	f.Fuzz(func(t *testing.T, text, number string) {
		values, err := readTable([]byte(text), "", "")
		if err != nil {
			return
		}
		of, _ := call.Lookup("to")
		var e call.Event
		e.To = number
		trim := func(s string) string {
			if rest := strings.TrimPrefix(s, "+"); rest != s && rest != "" && strings.Trim(rest, "0123456789") == "" {
				return rest
			}
			return s
		}
		best, want := -1, map[string]bool{"": true}
		for k, v := range values {
			switch k = trim(k); {
			case !strings.HasPrefix(trim(number), k) || number == "" || len(k) < best:
			case len(k) > best:
				best, want = len(k), map[string]bool{v: true}
			default: // +49 and 49 are one key
				want[v] = true
			}
		}
		if got := condition.NewTable("t", of, true, values).Lookup(&e); !want[got] {
			t.Errorf("%q gives %q, want one of %v", number, got, want)
		}
	})
}
