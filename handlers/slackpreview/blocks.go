package slackpreview

import (
	"encoding/json"

	"callwatch/notifier/slackfake"
)

func shownMessage(m slackfake.Message) Message {
	out := Message{TS: m.TS, At: m.At, Edited: m.Edits > 0, Broadcast: m.Broadcast, Text: m.Text, Blocks: shownBlocks(m.Blocks)}
	var attachments []struct {
		Color  string          `json:"color"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if json.Unmarshal(m.Attachments, &attachments) == nil {
		for _, a := range attachments {
			out.Attachments = append(out.Attachments, Attachment{Color: a.Color, Blocks: shownBlocks(a.Blocks)})
		}
	}
	return out
}

type slackText struct {
	Text string `json:"text"`
}

// slackElement is a text of a context, or a control.
type slackElement struct {
	Text        json.RawMessage `json:"text"` // a text in a context, an object in a button
	ActionID    string          `json:"action_id"`
	URL         string          `json:"url"`
	Placeholder slackText       `json:"placeholder"`
	Options     []struct {
		Text slackText `json:"text"`
	} `json:"options"`
}

type slackChart struct {
	Type   string `json:"type"`
	Series []struct {
		Data []struct {
			Label string  `json:"label"`
			Value float64 `json:"value"`
		} `json:"data"`
	} `json:"series"`
	Axis struct {
		Categories []string `json:"categories"`
		X          string   `json:"x_label"`
		Y          string   `json:"y_label"`
	} `json:"axis_config"`
}

// shownBlocks reads Slack's blocks as far as the page can show them.
func shownBlocks(raw json.RawMessage) []Block {
	var blocks []struct {
		Type     string         `json:"type"`
		Text     slackText      `json:"text"`
		Fields   []slackText    `json:"fields"`
		Elements []slackElement `json:"elements"`
		Title    string         `json:"title"`
		Chart    slackChart     `json:"chart"`
		Rows     [][]slackText  `json:"rows"`
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return nil
	}
	out := make([]Block, 0, len(blocks))
	for _, b := range blocks {
		shown := Block{Type: b.Type, Text: b.Text.Text}
		for _, f := range b.Fields {
			shown.Fields = append(shown.Fields, f.Text)
		}
		for _, e := range b.Elements {
			if b.Type == "actions" {
				shown.Controls = append(shown.Controls, e.control())
			} else if text := e.text(); text != "" {
				shown.Items = append(shown.Items, text)
			}
		}
		for _, row := range b.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, c.Text)
			}
			shown.Table = append(shown.Table, cells)
		}
		if b.Chart.Type == "line" {
			shown.Chart = b.Chart.shown(b.Title)
		}
		out = append(out, shown)
	}
	return out
}

// text is what an element says, whether its text is one or an object with one.
func (e *slackElement) text() string {
	var text string
	if json.Unmarshal(e.Text, &text) == nil {
		return text
	}
	var label slackText
	if json.Unmarshal(e.Text, &label) != nil {
		return ""
	}
	return label.Text
}

func (e *slackElement) control() Control {
	c := Control{Label: e.text(), Action: e.ActionID, URL: e.URL}
	if c.Label == "" {
		c.Label = e.Placeholder.Text
	}
	for _, o := range e.Options {
		c.Options = append(c.Options, o.Text.Text)
	}
	return c
}

// shown orders the points of each series as the axis has its categories.
func (c *slackChart) shown(title string) *Chart {
	place := map[string]int{}
	for i, name := range c.Axis.Categories {
		place[name] = i
	}
	out := &Chart{Title: title, XLabel: c.Axis.X, YLabel: c.Axis.Y, Categories: c.Axis.Categories}
	for _, s := range c.Series {
		values := make([]float64, len(c.Axis.Categories))
		for _, p := range s.Data {
			if i, ok := place[p.Label]; ok {
				values[i] = p.Value
			}
		}
		out.Series = append(out.Series, values)
	}
	return out
}
