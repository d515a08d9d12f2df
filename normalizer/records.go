package normalizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"callwatch/call"
)

// maxRecords bounds the records of one body: the largest page that a provider
// documents has a thousand.
const maxRecords = 5000

// isForm says whether a body is a form: by its content type, or where that says
// nothing by its first character.
func isForm(contentType string, body []byte) bool {
	switch contentType { // as most write it
	case "application/x-www-form-urlencoded":
		return true
	case "application/json":
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/x-www-form-urlencoded":
		return true
	case err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")):
		return false
	}
	start := strings.TrimSpace(string(body[:min(len(body), 64)]))
	return start != "" && start[0] != '{' && start[0] != '['
}

// eachRecord maps the records of a page. An odd record does not cost the others:
// its error shows only where no record gave an event.
func eachRecord(records []node, mapping func(node) ([]call.Event, error)) ([]call.Event, error) {
	if len(records) > maxRecords {
		return nil, fmt.Errorf("%d records in one body, more than %d", len(records), maxRecords)
	}
	var (
		events []call.Event
		first  error
	)
	for _, n := range records {
		some, err := mapping(n)
		if err != nil && first == nil {
			first = err
		}
		events = append(events, some...)
	}
	if len(events) == 0 {
		return nil, first
	}
	return events, nil
}

// recordID identifies a record that may be read again with more in it, wherever
// it stood in its page.
func recordID(n node) string {
	b, err := json.Marshal(n.value())
	if err != nil {
		return "" // the whole body identifies it
	}
	sum := sha256.Sum256(b)
	return "record-" + hex.EncodeToString(sum[:12])
}

// refusal is the error of a body that is the provider's own error answer: it
// says that something is not available, not what became of a call. nil for any
// other body.
func refusal(n node) error {
	first := n.at("error")
	if errs := n.at("errors").list(); len(errs) > 0 {
		first = errs[0]
	}
	if first.isNull() {
		return nil
	}
	var words []string
	for _, name := range []string{"code", "title", "message", "detail"} {
		if s := first.at(name).text(); s != "" {
			words = append(words, s)
		}
	}
	if s := first.text(); s != "" {
		words = append(words, s)
	}
	if len(words) == 0 {
		return errors.New("the provider answered with an error")
	}
	text := strings.Join(words, " ")
	return fmt.Errorf("the provider answered with an error: %.200s", text)
}

// identified joins the parts of an identity; "" where one that is needed is
// missing, so that the content identifies the event.
func identified(prefix string, parts ...string) string {
	id := prefix
	for _, p := range parts {
		if p == "" {
			return ""
		}
		id += ":" + p
	}
	return id
}
