package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"callwatch/yamlfile"
)

// Fault is something that is wrong with a setting.
type Fault struct {
	Setting  string `json:"setting,omitempty"` // the variable or flag, or the path in callwatch.yaml
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`

	text string
}

// Error is the fault as a person reads it.
func (f Fault) Error() string {
	if f.text == "" { // a warning
		return f.Setting + ": " + f.Severity + ": " + f.Message
	}
	return f.text
}

// Faults are all that is wrong with a configuration.
type Faults []Fault

// Error is each fault on lines of its own.
func (fs Faults) Error() string {
	errs := make([]error, len(fs))
	for i := range fs {
		errs[i] = fs[i]
	}
	return errors.Join(errs...).Error()
}

// orNil is fs as an error, nil where there is none.
func (fs Faults) orNil() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// fault is something that is wrong with the setting at a path of callwatch.yaml. It has
// the place in the file where the file says it, else the name of the flag or variable.
func (c *Config) fault(path, message, hint string) Fault {
	if at, ok := c.placeOf(path); ok {
		pos := yamlfile.At(at.value)
		_, group := at.value.(ast.MapNode)
		if group {
			pos = at.key
		}
		p := c.file.Problem(pos, yamlfile.ErrorSeverity, "bad-value", path+": "+message, hint)
		p.Source = withoutSecrets(p.Source, p.Column, !group)
		return ofFile(p, path)
	}
	f := Fault{Setting: c.nameOf(path), Severity: yamlfile.ErrorSeverity, Message: message, Hint: hint}
	f.text = f.Setting + ": " + f.Message
	if hint != "" {
		f.text += "; " + hint
	}
	return f
}

// unknown is a fault of a name, not of its value.
func (c *Config) unknown(path, message, hint string) Fault {
	if at, ok := c.placeOf(path); ok {
		p := c.file.Problem(at.key, yamlfile.ErrorSeverity, "unknown-key", message, hint)
		p.Source = withoutSecrets(p.Source, p.Column, false)
		return ofFile(p, path)
	}
	return c.fault(path, message, hint)
}

// placeOf is where the file says a setting that nothing overrides.
func (c *Config) placeOf(path string) (place, bool) {
	if c.file == nil || c.given[path] != "" {
		return place{}, false
	}
	at, ok := c.file.places[path]
	return at, ok
}

// nameOf is how a setting was given, or can be: by its flag or variable, else by its path.
func (c *Config) nameOf(path string) string {
	if name := c.given[path]; name != "" {
		return name
	}
	name := path
	visitSettings(reflect.ValueOf(c).Elem(), nil, "", func(s setting) {
		if s.name() == path {
			name = s.env
		}
	})
	return name
}

// Given notes that a flag gives the setting at a path.
func (c *Config) Given(path, by string) {
	if c.given == nil {
		c.given = map[string]string{}
	}
	c.given[path] = by
}

func ofFile(p yamlfile.Problem, path string) Fault {
	return Fault{Setting: path, File: p.File, Line: p.Line, Column: p.Column, Severity: p.Severity, Message: p.Message, Hint: p.Hint, text: p.String()}
}

// found are the problems of reading, those of the file first and in its order.
func (c *Config) found() Faults {
	var all Faults
	if c.file != nil {
		c.file.Problems.Sort()
		for _, p := range c.file.Problems {
			all = append(all, ofFile(p, ""))
		}
	}
	return append(all, c.faults...)
}

// sorted are faults with those of the file first, in its order.
func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		switch {
		case a.Line == 0 && b.Line == 0:
			return 0
		case a.Line == 0:
			return 1
		case b.Line == 0:
			return -1
		case a.Line != b.Line:
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return fs
}

// named is a fault of something that is no setting, such as a variable with the name of a
// file.
func named(name, format string, args ...any) Fault {
	f := Fault{Setting: name, Severity: yamlfile.ErrorSeverity, Message: fmt.Sprintf(format, args...)}
	f.text = f.Setting + ": " + f.Message
	return f
}
