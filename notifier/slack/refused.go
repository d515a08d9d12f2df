package slack

import (
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/rules"
)

// pointers are the places that Slack names when it refuses blocks.
var pointers = regexp.MustCompile(`(?:/attachments/(\d{1,3}))?/blocks/(\d{1,3})`)

// Refused lists the blocks that may have caused err: those that the answer points
// at, else chart and table.
func (c *Client) Refused(what *notifier.Content, err error) []string {
	m := c.writer.render(what)
	if ids := blamed(m, err); len(ids) > 0 {
		return ids
	}
	return fragile(m)
}

// blamed are the ids of the blocks that the answer points at.
func blamed(m message, err error) []string {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return nil
	}
	var ids []string
	for _, text := range answer.ResponseMetadata.Messages {
		for _, at := range pointers.FindAllStringSubmatch(text, 5) {
			blocks := m.Blocks
			if at[1] != "" {
				i, _ := strconv.Atoi(at[1]) // digits
				if i >= len(m.Attachments) {
					continue
				}
				blocks = m.Attachments[i].Blocks.BlockSet
			}
			if i, _ := strconv.Atoi(at[2]); i < len(blocks) && blocks[i].ID() != "" && !slices.Contains(ids, blocks[i].ID()) {
				ids = append(ids, blocks[i].ID())
			}
		}
	}
	return ids
}

// fragile are the ids of chart and table, which not every workspace takes.
func fragile(m message) []string {
	var ids []string
	for _, b := range m.Blocks {
		if b.ID() == chartID || b.ID() == tableID {
			ids = append(ids, b.ID())
		}
	}
	return ids
}

// without removes the blocks with the given ids.
func (m message) without(ids []string) message {
	if len(ids) == 0 {
		return m
	}
	refused := func(b slack.Block) bool { return slices.Contains(ids, b.ID()) }
	m.Blocks = slices.DeleteFunc(slices.Clone(m.Blocks), refused)
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		set := slices.DeleteFunc(slices.Clone(m.Attachments[i].Blocks.BlockSet), refused)
		m.Attachments[i].Blocks.BlockSet = set
	}
	m.Attachments = slices.DeleteFunc(m.Attachments, func(a slack.Attachment) bool { return len(a.Blocks.BlockSet) == 0 })
	return m
}

// rootWithSparkline draws the trend as text where Slack refuses the chart.
func (w *writer) rootWithSparkline(in *rules.Incident) message {
	m := w.root(in)
	line := section("sparkline", sparkline(in))
	if len(line) > 0 {
		set := m.Attachments[0].Blocks.BlockSet
		m.Attachments[0].Blocks.BlockSet = slices.Insert(slices.Clone(set), min(1, len(set)), line...)
	}
	return m
}
