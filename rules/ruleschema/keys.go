package ruleschema

import (
	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// keyShape is the form of one key's value, for editors and the schema: what the
// reader of that key takes.
type keyShape struct {
	node schemaNode
	doc  string
}

func textNode() schemaNode { return schemaNode{"type": []string{"string", "number", "boolean"}} }

func textsNode() schemaNode {
	return schemaNode{"anyOf": []schemaNode{textNode(), {"type": "array", "items": textNode()}}}
}

func conditionNode() schemaNode {
	return schemaNode{"type": []string{"string", "boolean"}, "minLength": 1}
}

func durationNode() schemaNode {
	return schemaNode{"anyOf": []schemaNode{
		{"type": "string", "pattern": `^([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+$|^[0-9]*\.?[0-9]+[dw]$|^0$`},
		{"const": 0},
	}}
}

func wordNode(words ...string) schemaNode { return schemaNode{"enum": words} }

func wordsNode(words ...string) schemaNode {
	return schemaNode{"anyOf": []schemaNode{wordNode(words...), {"type": "array", "items": wordNode(words...)}}}
}

func integerNode(lo, hi int) schemaNode {
	return schemaNode{"type": "integer", "minimum": lo, "maximum": hi}
}

// activeNode is one schedule: always, hours, or several of them.
func activeNode() schemaNode {
	return schemaNode{"anyOf": []schemaNode{wordNode(rulefmt.Always), refNode("active"), {"type": "array", "minItems": 1, "items": refNode("active")}}}
}

func listNode(of string) schemaNode { return schemaNode{"type": "array", "items": refNode(of)} }

func refNode(to string) schemaNode {
	// In draft 7 nothing beside $ref counts, also not the description.
	return schemaNode{"allOf": []schemaNode{{"$ref": "#/definitions/" + to}}}
}

func mapNode(of schemaNode) schemaNode {
	return schemaNode{"type": "object", "additionalProperties": of}
}

func channelsNode() schemaNode {
	channel := schemaNode{"type": "string", "pattern": `^([a-z0-9-]{1,32}/)?(#.{1,80}|[CGD][A-Z0-9]{6,20})$`}
	return schemaNode{"anyOf": []schemaNode{channel, {"type": "array", "items": channel}}}
}

// outputsNode are names of outputs.
func outputsNode() schemaNode {
	name := schemaNode{"type": "string", "pattern": rulefmt.OutputPattern}
	return schemaNode{"anyOf": []schemaNode{name, {"type": "array", "items": name}}}
}

// fieldsNode are names out of the field table.
func fieldsNode(fit func(call.Field) bool) schemaNode {
	var names []string
	for _, f := range call.Fields() {
		if fit(f) {
			names = append(names, f.Name)
		}
	}
	return wordsNode(names...)
}

func mentionNode() schemaNode {
	return schemaNode{"anyOf": append(textsNode()["anyOf"].([]schemaNode), refNode("mention"))}
}

// keyNode are names of fields and of tables.
func keyNode() schemaNode {
	return schemaNode{"anyOf": append(fieldsNode(rulefmt.Groupable)["anyOf"].([]schemaNode), textsNode()["anyOf"].([]schemaNode)...)}
}

// schemaKeys describe each key of each mapping. Which of them there are is the
// loader's to say.
func schemaKeys() map[string]map[string]keyShape {
	rule := ruleSchemaKeys()
	hours := map[string]keyShape{
		"hours":    {textsNode(), `hours of the day: "07:00-22:00", or a list of them`},
		"days":     {textsNode(), "days of the week: mon-fri, or [mon, wed]"},
		"tz":       {textNode(), "time zone: Europe/Berlin"},
		"holidays": {textsNode(), "days on which they do not begin: [2026-12-25, holidays.ics]"},
	}
	return map[string]map[string]keyShape{
		"a rules file": {
			"define":   {mapNode(conditionNode()), "conditions by name, to be used in other conditions"},
			"lists":    {mapNode(textsNode()), "lists of texts by name, as in: from in us_carriers"},
			"lookup":   {schemaNode{"type": "object", "additionalProperties": refNode("lookup")}, "tables from CSV files by name: what they give is a text of each call"},
			"defaults": {refNode("defaults"), "what rules have that say nothing else"},
			"rules":    {schemaNode{"type": "array", "minItems": 1, "items": refNode("rule")}, "the rules"},
			"routes":   {listNode("route"), "where incidents go: the first route that matches"},
			"silences": {listNode("silence"), "incidents that are not announced until a time"},
		},
		"defaults": rule,
		"a rule":   rule,
		"severity": {
			"critical": {conditionNode(), "when the incident is critical"},
			"warning":  {conditionNode(), "when it is a warning"},
			"info":     {conditionNode(), "when it is for information"},
		},
		"route": {
			"slack":   {channelsNode(), `channel or channels: "#voice-oncall" or an id, behind the name of another workspace as "emea/#voice-oncall"`},
			"outputs": {outputsNode(), "outputs by their names in callwatch.yaml"},
			"mention": {mentionNode(), "who is called in Slack: ids of users (U...) and groups (S...), here, channel; or such a list for each severity"},
		},
		"mention": {
			"critical": {textsNode(), "who is called when an incident is critical"},
			"warning":  {textsNode(), "who is called for a warning"},
			"info":     {textsNode(), "who is called for information"},
		},
		"storm": {
			"new":    {integerNode(1, 1000), "more new incidents than this in a channel make a storm (10)"},
			"within": {durationNode(), "in this time (60s)"},
		},
		"a route": {
			"outputs":  {outputsNode(), "outputs by their names in callwatch.yaml"},
			"mention":  {mentionNode(), "who is called in Slack: ids of users (U...) and groups (S...), here, channel; or such a list for each severity"},
			"storm":    {schemaNode{"anyOf": []schemaNode{wordNode("off"), refNode("storm")}}, "off, or when many new incidents share one message"},
			"match":    {conditionNode(), "condition on incidents: rule, severity, owner and the fields of the latest call; absent: all"},
			"slack":    {channelsNode(), `channel or channels: "#voice-oncall" or an id, behind the name of another workspace as "emea/#voice-oncall"`},
			"continue": {schemaNode{"type": "boolean"}, "go on with the routes below"},
		},
		"a silence": {
			"match":   {conditionNode(), "condition on incidents: rule, severity, owner and the fields of the latest call"},
			"until":   {textNode(), "when it ends, such as 2026-12-01T06:00:00Z"},
			"comment": {textNode(), "why"},
			"hours":   hours["hours"], "days": hours["days"], "tz": hours["tz"], "holidays": hours["holidays"],
		},
		"a lookup": {
			"file":  {schemaNode{"type": "string", "pattern": `\.csv$`}, "CSV file with a line of column names, relative to this file"},
			"of":    {fieldsNode(rulefmt.Lookable), "field whose value is looked up"},
			"match": {wordNode("exact", "prefix"), "the whole value, or the longest key that it begins with (exact)"},
			"key":   {textNode(), "column of the keys (the first)"},
			"value": {textNode(), "column of what is given (the second)"},
		},
		"active": hours,
		"active by severity": {
			"critical": {activeNode(), "when critical incidents may open (always)"},
			"warning":  {activeNode(), "when warnings may open (always)"},
			"info":     {activeNode(), "when incidents for information may open (always)"},
		},
		"a test":          testSchemaKeys(),
		"a step of given": givenSchemaKeys(),
		"expect":          expectSchemaKeys(),
	}
}

func ruleSchemaKeys() map[string]keyShape {
	return map[string]keyShape{
		"name":    {schemaNode{"type": []string{"string", "integer"}, "pattern": rules.NamePattern}, "name: lower case letters, digits, - and _"},
		"summary": {textNode(), "template of the incident's one sentence: .Rule .Severity .By .Value .Call .Counts .Since; pct num dur mask"},
		"runbook": {schemaNode{"type": "string", "pattern": "^https?://."}, "web address of what to do"},
		"owner":   {textNode(), "who is responsible"},
		"labels":  {mapNode(textNode()), "texts by name, handed on with the incident"},
		"mode":    {wordNode(string(rules.Active), string(rules.Shadow), string(rules.Off)), "active; shadow: evaluated and recorded, nothing is sent; off"},

		"on":        {wordsNode(rulefmt.KindNames()...), "kinds of events that wake the rule (stats, ended, report)"},
		"where":     {conditionNode(), "which calls count"},
		"except":    {mapNode(conditionNode()), "named exceptions: calls that are not judged"},
		"over":      {textNode(), "sliding window: 15m, or 200 calls"},
		"by":        {keyNode(), "fields of the key, or names under lookup: one incident for each of their values (provider)"},
		"count_by":  {wordNode(rulefmt.CountCalls, rules.SessionField), "what a window counts: calls, or sessions of several calls (call)"},
		"min_calls": {integerNode(0, 100_000), "a window with fewer calls is not judged"},
		"when":      {conditionNode(), "condition on calls, such as mos < 3.5, or on a window, such as rate(mos < 3.5) > 0.1"},
		"absent":    {durationNode(), "no call for so long, of a key that was seen in the last 7 days"},
		"expect": {
			schemaNode{"anyOf": []schemaNode{textNode(), mapNode(textNode()), {"type": "array", "minItems": 1, "items": schemaNode{"anyOf": []schemaNode{textNode(), mapNode(textNode())}}}}},
			"keys that are missed although no call of them was seen: [eu-west, us-east], or {provider: example, region: eu}",
		},
		"new":   {fieldsNode(rulefmt.Groupable), "a value of this field that was never seen before"},
		"learn": {durationNode(), "how long new values are taken for known at first"},
		"for":   {textNode(), "how long the condition must hold: 5m, or 3 of 5 events"},

		"resolve":       {conditionNode(), "when a window is well again (not when)"},
		"resolve_after": {durationNode(), "how long without a match until the incident is resolved (30m)"},
		"no_data":       {wordNode("keep", "resolve", "alert"), "what an empty window does to an open incident"},
		"severity": {
			schemaNode{"anyOf": []schemaNode{wordNode(rules.SeverityNames()...), refNode("ladder")}},
			"critical, warning or info; or a condition for each, of which the highest that holds counts",
		},
		"cooldown":   {durationNode(), "no new incident for the key for this long after a resolve"},
		"repeat":     {durationNode(), "reminder while the incident is open"},
		"repeat_max": {durationNode(), "reminders double up to this"},
		"active": {
			schemaNode{"anyOf": append([]schemaNode{refNode("activeLevels")}, activeNode()["anyOf"].([]schemaNode)...)},
			"when incidents may open: hours, a list of them, or one of these for each severity",
		},
		"tz":       {textNode(), "time zone of hour, weekday and active: Europe/Berlin (UTC)"},
		"adopts":   {textsNode(), "rules whose incidents of the same key join this one's thread"},
		"route":    {refNode("ruleRoute"), "where this rule's incidents go"},
		"show":     {fieldsNode(rulefmt.Showable), "fields listed for each sample call"},
		"samples":  {integerNode(0, rulefmt.MaxSamples), "worst calls kept as evidence (5)"},
		"settle":   {durationNode(), "windows wait so long after a call's end for a report"},
		"grace":    {durationNode(), "windows take calls that are so late"},
		"max_keys": {integerNode(1, 1_000_000), "bound on live keys"},
		"tests":    {listNode("test"), "tests, run by callwatch rules test"},
	}
}

func testSchemaKeys() map[string]keyShape {
	return map[string]keyShape{
		"name":    {textNode(), "what it shows"},
		"given":   {listNode("given"), "events, in their order"},
		"advance": {durationNode(), "time that passes after them"},
		"expect":  {refNode("expect"), "what is expected then"},
	}
}

func givenSchemaKeys() map[string]keyShape {
	return map[string]keyShape{
		"repeat":   {integerNode(1, rulefmt.MaxRepeat), "how often; each is a call of its own unless callId is given"},
		"every":    {durationNode(), "time from each event to the next one (1s)"},
		"after":    {durationNode(), "time since the event before"},
		"at":       {textNode(), "time since the start such as 5m, or 2026-01-05T12:00:00Z"},
		"kind":     {wordNode(rulefmt.KindNames()...), "kind of event (ended, or the first that wakes the rule)"},
		"call":     {refNode("call"), "facts of the call; null is unknown"},
		"payload":  {textNode(), "file with a provider's raw body, relative to this one"},
		"provider": {textNode(), "whose body it is"},
	}
}

func expectSchemaKeys() map[string]keyShape {
	return map[string]keyShape{
		"state":     {wordNode(rules.CaseStates()...), "the state of the rule; none: no call concerned it"},
		"severity":  {wordNode(rules.SeverityNames()...), "of the incident"},
		"by":        {mapNode(textNode()), "values of by: which incident is meant"},
		"matched":   {integerNode(0, 1_000_000), "calls that matched"},
		"incidents": {integerNode(0, 1_000_000), "incidents that were opened"},
		"held":      {textsNode(), "conditions that held for the latest match: mos (3.1) < 3.5"},
	}
}
