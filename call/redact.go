package call

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// RedactJSON passes each string of a JSON document, names of members included, to
// text and returns the document with what that returns. Numbers are left as they are
// written. found is false where nothing changed: then data is returned.
func RedactJSON(data []byte, text func(string) string) (redacted []byte, found bool, err error) {
	in := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var out bytes.Buffer
	to := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := in.ReadToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && token.Kind() == '"' {
			was := token.String()
			if now := text(was); now != was {
				found, token = true, jsontext.String(now)
			}
		}
		if err == nil {
			err = to.WriteToken(token)
		}
		if err != nil {
			return data, false, fmt.Errorf("redact: %w", err)
		}
	}
	if !found {
		return data, false, nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), true, nil
}
