package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxBody is the size of the largest webhook body that is accepted, in bytes.
const MaxBody = 4 << 20

// ReadInput reads a file, or standard input for "-", up to the largest body that
// is taken over HTTP.
func ReadInput(stdin io.Reader, name string) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, err // names the file
	}
	if len(b) > MaxBody {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, MaxBody)
	}
	return b, nil
}

// GuessContentType goes by the file's name, else by the first byte.
func GuessContentType(name string, body []byte) string {
	const form = "application/x-www-form-urlencoded"
	name = strings.TrimSuffix(name, ".txt")
	switch filepath.Ext(name) {
	case ".form":
		return form
	case ".json":
		return "application/json"
	}
	switch t := bytes.TrimLeft(body, " \t\r\n"); {
	case len(t) > 0 && (t[0] == '{' || t[0] == '['):
		return "application/json"
	case bytes.ContainsRune(body, '='):
		return form
	}
	return "application/json"
}
