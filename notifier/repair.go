package notifier

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/slack-go/slack"

	"callwatch/rules"
)

// pointers are the places that Slack names when it refuses blocks.
var pointers = regexp.MustCompile(`(?:/attachments/(\d{1,3}))?/blocks/(\d{1,3})`)

// simplify gives up the blocks that Slack refused: those it points at, else chart
// and table, else all of them, else the message.
func (n *Notifier) simplify(ctx context.Context, j *job, err error) {
	m := n.root(&j.page, &j.want)
	if j.act.do == post {
		m = n.content(j)
	}
	bad := blamed(m, err)
	if len(bad) == 0 {
		bad = fragile(m)
	}
	switch {
	case !j.page.Plain && len(bad) > 0:
		j.page.Without = append(j.page.Without, bad...)
	case !j.page.Plain:
		j.page.Plain = true
	case j.act.do == edit:
		j.page.Frozen = true
	default:
		n.giveUp(j, j.act.line.name, err)
	}
	n.save(ctx, j)
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

// without takes out of a message what Slack has refused before.
func (r *record) without(m message) message {
	if r.Plain {
		return m.plain()
	}
	if len(r.Without) == 0 {
		return m
	}
	refused := func(b slack.Block) bool { return slices.Contains(r.Without, b.ID()) }
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
