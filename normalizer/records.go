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
	"callwatch/normalizer/lenient"
)

// MaxRecords bounds the records of one body: the largest page that a provider
// documents has a thousand.
const MaxRecords = 5000

// IsForm says whether a body is a form: by its content type, or where that says
// nothing by its first character.
func IsForm(contentType string, body []byte) bool {
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

// EachRecord maps the records of a page. An odd record does not cost the others:
// its error shows only where no record gave an event.
func EachRecord(records []lenient.Node, mapping func(lenient.Node) ([]call.Event, error)) ([]call.Event, error) {
	if len(records) > MaxRecords {
		return nil, fmt.Errorf("%d records in one body, more than %d", len(records), MaxRecords)
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

// RecordID identifies a record that may be read again with more in it, wherever
// it stood in its page.
func RecordID(n lenient.Node) string {
	b, err := json.Marshal(n.Value())
	if err != nil {
		return "" // the whole body identifies it
	}
	sum := sha256.Sum256(b)
	return "record-" + hex.EncodeToString(sum[:12])
}

// ErrorAnswer is the error of a body that is the provider's own error answer: it
// says that something is not available, not what became of a call. nil for any
// other body.
func ErrorAnswer(n lenient.Node) error {
	first := n.At("error")
	if errs := n.At("errors").List(); len(errs) > 0 {
		first = errs[0]
	}
	if first.IsNull() {
		return nil
	}
	var words []string
	for _, name := range []string{"code", "title", "message", "detail"} {
		if s := first.At(name).Text(); s != "" {
			words = append(words, s)
		}
	}
	if s := first.Text(); s != "" {
		words = append(words, s)
	}
	if len(words) == 0 {
		return errors.New("the provider answered with an error")
	}
	text := strings.Join(words, " ")
	return fmt.Errorf("the provider answered with an error: %.200s", text)
}

// JoinID joins the parts of an identity; "" where one that is needed is
// missing, so that the content identifies the event.
func JoinID(prefix string, parts ...string) string {
	id := prefix
	for _, p := range parts {
		if p == "" {
			return ""
		}
		id += ":" + p
	}
	return id
}
