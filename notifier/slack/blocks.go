package slack

import "github.com/slack-go/slack"

// Blocks carry ids: by them it is remembered which one Slack refused.

// mrkdwn is verbatim: Slack links nothing in it but what is marked up already.
func mrkdwn(m markup) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, string(m), false, true)
}

func plainLabel(m markup) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, string(m), true, false)
}

// header is the large first line of a message.
func header(m markup) slack.Block {
	return slack.NewHeaderBlock(plainLabel(m), slack.HeaderBlockOptionBlockID("headline"))
}

// section is a paragraph; none for empty text, which Slack refuses.
func section(id string, m markup) []slack.Block {
	if m == "" {
		return nil
	}
	return []slack.Block{slack.NewSectionBlock(mrkdwn(m), nil, nil, slack.SectionBlockOptionBlockID(id))}
}

// fields shows facts in two columns.
func fields(id string, fs []fact) slack.Block {
	texts := make([]*slack.TextBlockObject, 0, len(fs))
	for _, f := range fs {
		texts = append(texts, mrkdwn("*"+f.label+"*\n"+f.value))
	}
	return slack.NewSectionBlock(nil, texts, nil, slack.SectionBlockOptionBlockID(id))
}

// small is a line of small print.
func small(id string, m markup) slack.Block {
	return slack.NewContextBlock(id, mrkdwn(m))
}

// bar is an attachment: blocks beside a coloured bar.
func bar(color string, blocks ...slack.Block) []slack.Attachment {
	return []slack.Attachment{{Color: color, Blocks: slack.Blocks{BlockSet: blocks}}}
}
