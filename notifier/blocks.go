package notifier

import "github.com/slack-go/slack"

// mrkdwn is verbatim: Slack links nothing in it but what is marked up already.
func mrkdwn(m markup) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, string(m), false, true)
}

// header is the large first line of a message.
func header(m markup) slack.Block {
	return slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, string(m), true, false))
}

// section is a paragraph; none for empty text, which Slack refuses.
func section(m markup) []slack.Block {
	if m == "" {
		return nil
	}
	return []slack.Block{slack.NewSectionBlock(mrkdwn(m), nil, nil)}
}

// fields shows facts in two columns.
func fields(fs []fact) slack.Block {
	texts := make([]*slack.TextBlockObject, 0, len(fs))
	for _, f := range fs {
		texts = append(texts, mrkdwn("*"+f.label+"*\n"+f.value))
	}
	return slack.NewSectionBlock(nil, texts, nil)
}

// small is a line of small print.
func small(m markup) slack.Block {
	return slack.NewContextBlock("", mrkdwn(m))
}

// bar is an attachment: blocks beside a coloured bar.
func bar(color string, blocks ...slack.Block) []slack.Attachment {
	return []slack.Attachment{{Color: color, Blocks: slack.Blocks{BlockSet: blocks}}}
}
