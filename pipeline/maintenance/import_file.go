package maintenance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"callwatch/pipeline/eventlog"
)

// importBatch is how many bodies of a file are stored together.
const importBatch = 512

// importFile stores the bodies in a file: lines of JSON, a JSON array, or one
// JSON object, plain or gzip. What is no body is named and left out.
func (m *Maintenance) importFile(ctx context.Context, params url.Values, body io.Reader, progress Progress) (Imported, error) {
	im, err := m.newImporter(ctx, params.Get("provider"), params.Get("account"))
	if err != nil {
		return Imported{}, err
	}
	if body == nil {
		return Imported{}, refuse("there is no file")
	}
	counted := &eventlog.CountingReader{In: body}
	text, err := eventlog.PlainText(counted)
	if err != nil {
		return Imported{}, refuse("the file cannot be read: %w", err)
	}
	var batch []historical
	flush := func() error {
		err := im.store(ctx, batch)
		batch = batch[:0]
		progress(counted.Count(), 0)
		return errors.Join(err, ctx.Err())
	}
	err = bodies(text, func(h historical) error {
		if batch = append(batch, h); len(batch) < importBatch {
			return nil
		}
		return flush()
	}, func(problem string) {
		im.done.Read++
		im.done.Bad++
		im.done.problem("%s", problem)
	})
	err = errors.Join(err, flush())
	var unreadable *eventlog.ReadError
	if errors.As(err, &unreadable) {
		im.done.Bad++
		im.done.problem("the rest was not read: %v", unreadable)
	} else if err != nil {
		return im.done, err
	}
	return im.finish(ctx)
}

// bodies cuts a file into bodies.
func bodies(text *bufio.Reader, put func(historical) error, bad func(problem string)) error {
	if whole, ok := singleBody(text); ok {
		return put(historical{name: "the file", body: whole, strict: true})
	}
	return eventlog.Blocks(text, func(b eventlog.Block) error {
		n := b.Line
		lines := bytes.Lines(b.Data)
		if b.Unit == "element" {
			lines = func(yield func([]byte) bool) { yield(b.Data) }
		}
		for line := range lines {
			name := fmt.Sprintf("%s %d", b.Unit, n)
			n++
			line = bytes.TrimSpace(line)
			switch {
			case len(line) == 0:
				continue
			case len(line) > MaxBody:
				bad(fmt.Sprintf("%s is longer than %d bytes", name, MaxBody))
				continue
			case !json.Valid(line):
				bad(name + " is no JSON")
				continue
			}
			if err := put(historical{name: name, body: bytes.Clone(line), strict: true}); err != nil {
				return err
			}
		}
		return nil
	})
}

// singleBody is the whole of a file that holds one JSON object over several lines.
func singleBody(text *bufio.Reader) ([]byte, bool) {
	head, err := text.Peek(eventlog.BlockSize)
	if !errors.Is(err, io.EOF) {
		return nil, false
	}
	t := bytes.TrimSpace(head)
	if len(t) == 0 || t[0] != '{' || !json.Valid(t) {
		return nil, false
	}
	return bytes.Clone(t), true
}
