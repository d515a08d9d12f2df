package slackfake

import (
	"encoding/json"
	"fmt"
	"unicode/utf16"
)

// Slack's limits.
const (
	maxBlocks     = 50
	maxText       = 40000
	maxSection    = 3000
	maxFields     = 10
	maxField      = 2000
	maxHeader     = 150
	maxElements   = 10
	maxContext    = 3000
	maxButton     = 75
	maxButtonURL  = 3000
	maxAttachment = 100

	maxBlockID     = 255
	maxActionID    = 255
	maxButtonValue = 2000
)

type textObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type block struct {
	Type     string       `json:"type"`
	ID       string       `json:"block_id"`
	Text     *textObject  `json:"text"`
	Fields   []textObject `json:"fields"`
	Elements []element    `json:"elements"`

	Title string   `json:"title"` // of a chart
	Chart chart    `json:"chart"`
	Rows  [][]cell `json:"rows"` // of a table
}

// element of a context or actions block: a text, or a control with one.
type element struct {
	Type        string          `json:"type"`
	ActionID    string          `json:"action_id"`
	Value       string          `json:"value"`
	Text        json.RawMessage `json:"text"`
	URL         string          `json:"url"`
	Placeholder *textObject     `json:"placeholder"`
	Options     []option        `json:"options"`
}

type option struct {
	Text  *textObject `json:"text"`
	Value string      `json:"value"`
}

type attachment struct {
	Color  string          `json:"color"`
	Text   string          `json:"text"`
	Blocks json.RawMessage `json:"blocks"`
}

// Validate lists what Slack would refuse in a message; blocks and attachments
// are JSON lists, nil for none.
func Validate(text string, blocks, attachments json.RawMessage) []string {
	var problems []string
	if length(text) > maxText {
		problems = append(problems, fmt.Sprintf("text: %d characters, at most %d", length(text), maxText))
	}
	problems = append(problems, checkBlocks("/blocks", blocks)...)
	if attachments == nil {
		return problems
	}
	var as []attachment
	if err := json.Unmarshal(attachments, &as); err != nil {
		return append(problems, "/attachments: "+err.Error())
	}
	if len(as) > maxAttachment {
		problems = append(problems, fmt.Sprintf("/attachments: %d, at most %d", len(as), maxAttachment))
	}
	for i, a := range as {
		problems = append(problems, checkBlocks(fmt.Sprintf("/attachments/%d/blocks", i), a.Blocks)...)
	}
	return problems
}

func checkBlocks(at string, raw json.RawMessage) []string {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	var bs []block
	if err := json.Unmarshal(raw, &bs); err != nil {
		return []string{at + ": " + err.Error()}
	}
	var problems []string
	if len(bs) > maxBlocks {
		problems = append(problems, fmt.Sprintf("%s: %d blocks, at most %d", at, len(bs), maxBlocks))
	}
	ids, tables := map[string]bool{}, 0
	for i := range bs {
		for _, p := range bs[i].problems() {
			problems = append(problems, pointed(p, fmt.Sprintf("%s/%d", at, i)))
		}
		if id := bs[i].ID; id != "" && (ids[id] || length(id) > maxBlockID) {
			problems = append(problems, pointed(fmt.Sprintf("block_id %q is too long or there twice", id), fmt.Sprintf("%s/%d", at, i)))
		} else {
			ids[id] = true
		}
		if bs[i].Type == "table" {
			tables++
		}
	}
	if tables > 1 {
		problems = append(problems, "only_one_table_allowed")
	}
	return problems
}

// pointed is a problem as Slack words it, with the place at its end.
func pointed(problem, at string) string { return "[ERROR] " + problem + " [json-pointer:" + at + "]" }

func (b *block) problems() []string {
	switch b.Type {
	case "header":
		return b.Text.problems("plain_text", maxHeader)
	case "section":
		if b.Text == nil && len(b.Fields) == 0 {
			return []string{"section without text and fields"}
		}
		var ps []string
		if b.Text != nil {
			ps = b.Text.problems("", maxSection)
		}
		if len(b.Fields) > maxFields {
			ps = append(ps, fmt.Sprintf("%d fields, at most %d", len(b.Fields), maxFields))
		}
		for i := range b.Fields {
			ps = append(ps, b.Fields[i].problems("", maxField)...)
		}
		return ps
	case "context", "actions":
		return b.elementProblems()
	case "divider":
		return nil
	case "data_visualization":
		return b.chartProblems()
	case "table":
		return b.tableProblems()
	default:
		return []string{fmt.Sprintf("unsupported type: %q", b.Type)}
	}
}

func (b *block) elementProblems() []string {
	var ps []string
	if n := len(b.Elements); n == 0 || n > maxElements {
		ps = append(ps, fmt.Sprintf("%d elements, 1 to %d", n, maxElements))
	}
	actions := map[string]bool{}
	for _, e := range b.Elements {
		if b.Type == "actions" {
			if e.ActionID != "" && actions[e.ActionID] || len(e.ActionID) > maxActionID {
				ps = append(ps, fmt.Sprintf("action_id %q is too long or there twice", e.ActionID))
			}
			actions[e.ActionID] = true
		}
		if e.Type == "static_select" {
			ps = append(ps, e.menuProblems()...)
			continue
		}
		if e.Type != "button" {
			var t textObject
			if err := json.Unmarshal(e.Text, &t.Text); err != nil {
				ps = append(ps, "element: "+err.Error())
				continue
			}
			t.Type = e.Type
			ps = append(ps, t.problems("", maxContext)...)
			continue
		}
		var t textObject
		if err := json.Unmarshal(e.Text, &t); err != nil {
			ps = append(ps, "button: "+err.Error())
			continue
		}
		ps = append(ps, t.problems("plain_text", maxButton)...)
		if length(e.Value) > maxButtonValue {
			ps = append(ps, "button: value too long")
		}
		if length(e.URL) > maxButtonURL {
			ps = append(ps, "button: url too long")
		}
	}
	return ps
}

// problems of a text that must be of kind, "" for either, and 1 to limit long.
func (t *textObject) problems(kind string, limit int) []string {
	switch {
	case t == nil:
		return []string{"missing text"}
	case kind != "" && t.Type != kind:
		return []string{fmt.Sprintf("text of type %q, must be %q", t.Type, kind)}
	case t.Type != "plain_text" && t.Type != "mrkdwn":
		return []string{fmt.Sprintf("text of unknown type %q", t.Type)}
	case t.Text == "":
		return []string{"text is empty"}
	case length(t.Text) > limit:
		return []string{fmt.Sprintf("text of %d characters, at most %d", length(t.Text), limit)}
	default:
		return nil
	}
}

// length counts UTF-16 units, the larger of the two readings of "character".
func length(s string) int { return len(utf16.Encode([]rune(s))) }
