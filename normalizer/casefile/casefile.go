// Package casefile reads test cases that are data: the bodies that a provider
// posts, and what must come of them. Three kinds of files describe a case:
//
//   - NAME.want.json beside NAME.body or NAME.form: the events of one body.
//   - NAME.seq.json beside NAME.N.body or NAME.N.form: the calls, and the number
//     of incidents, that come of bodies posted one after the other.
//   - NAME.http.json: requests with the status that answers them.
package casefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// EnvFolder names the environment variable with a folder of further cases.
const EnvFolder = "CALLWATCH_CASES"

// Body is one body as it is posted.
type Body struct {
	ContentType string
	Headers     map[string]string
	Bytes       []byte
}

// Want is the content of a want.json, with the body that it is about.
type Want struct {
	Name        string            `json:"-"`
	Body        Body              `json:"-"`
	Provider    string            `json:"provider"`
	ContentType string            `json:"contentType"`
	Headers     map[string]string `json:"headers"`
	Why         string            `json:"why"`
	Events      []Expect          `json:"events"`
	All         *Expect           `json:"all"`   // holds for each event; nil for none
	Count       *int              `json:"count"` // number of events; nil for any
}

// Sequence is the content of a seq.json, with the bodies of its steps.
type Sequence struct {
	Name     string `json:"-"`
	Provider string `json:"provider"`
	Why      string `json:"why"`
	Steps    []struct {
		File        string            `json:"file"`
		ContentType string            `json:"contentType"`
		Headers     map[string]string `json:"headers"`
	} `json:"steps"`
	Calls     []Call `json:"calls"`
	Incidents *int   `json:"incidents"` // nil for any number
	Bodies    []Body `json:"-"`         // of the steps, in their order
}

// Call is what one call of a sequence must be like.
type Call struct {
	ID    string   `json:"id"`
	AnyOf []string `json:"anyOf"` // the ids under one of which the call is found, instead of ID
	Expect
}

// IDs are the ids under one of which the call must be found.
func (c *Call) IDs() []string {
	if len(c.AnyOf) > 0 {
		return c.AnyOf
	}
	return []string{c.ID}
}

// HTTP is the content of an http.json.
type HTTP struct {
	Name     string    `json:"-"`
	Why      string    `json:"why"`
	Note     string    `json:"note"`
	Requests []Request `json:"requests"`
}

// Request is one request with the statuses that may answer it.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Status  int               `json:"status"`
	Also    []int             `json:"also"`  // statuses that are as good
	Allow   string            `json:"allow"` // the Allow header; "" for any
	Type    string            `json:"type"`  // the media type of the answer; "" for any
}

// Folders are the repository's own folders of cases, which match one of the patterns, and,
// where it is set, that of the environment.
func Folders(patterns ...string) []string {
	var folders []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // its only error is a pattern that is none
		folders = append(folders, found...)
	}
	if dir := os.Getenv(EnvFolder); dir != "" {
		folders = append(folders, dir)
	}
	return folders
}

// Wants are the cases of a folder that are about one body.
func Wants(t testing.TB, dir string) []Want {
	t.Helper()
	return all(t, dir, ".want.json", func(w *Want, name string) error {
		w.Name = name
		var err error
		if w.Body.Bytes, err = readBody(filepath.Join(dir, name)); err != nil {
			return err
		}
		w.Body.ContentType, w.Body.Headers = w.ContentType, w.Headers
		return nil
	})
}

// Sequences are the cases of a folder that post several bodies.
func Sequences(t testing.TB, dir string) []Sequence {
	t.Helper()
	return all(t, dir, ".seq.json", func(s *Sequence, name string) error {
		s.Name = name
		for _, step := range s.Steps {
			b, err := os.ReadFile(filepath.Join(dir, filepath.Base(step.File)))
			if err != nil {
				return err
			}
			s.Bodies = append(s.Bodies, Body{step.ContentType, step.Headers, b})
		}
		if len(s.Bodies) == 0 || len(s.Calls) == 0 {
			return errors.New("no steps or no calls")
		}
		return nil
	})
}

// Requests are the cases of a folder that are about answers over HTTP.
func Requests(t testing.TB, dir string) []HTTP {
	t.Helper()
	return all(t, dir, ".http.json", func(h *HTTP, name string) error {
		h.Name = name
		return nil
	})
}

// all reads the files of a folder with an ending. A member that no case has is
// a spelling mistake, so it fails.
func all[T any](t testing.TB, dir, ending string, complete func(*T, string) error) (found []T) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var c T
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		d.UseNumber()
		if err := d.Decode(&c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := complete(&c, strings.TrimSuffix(filepath.Base(path), ending)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found = append(found, c)
	}
	return found
}

func readBody(path string) ([]byte, error) {
	for _, ending := range []string{".body", ".form"} {
		b, err := os.ReadFile(path + ending)
		if !errors.Is(err, os.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("%s has neither .body nor .form", path)
}
