package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// output is how a command prints its result.
type output string

const (
	human  output = "human"
	asJSON output = "json"
	ndjson output = "ndjson"
)

// String and Set make output a flag.
func (o *output) String() string { return string(*o) }

// Set refuses what is no form of output.
func (o *output) Set(s string) error {
	switch v := output(strings.ToLower(s)); v {
	case human, asJSON, ndjson:
		*o = v
		return nil
	default:
		return fmt.Errorf("%q is none of human, json, ndjson", s)
	}
}

// Type names the flag's type in help texts.
func (o *output) Type() string { return "format" }

func addOutput(c *cobra.Command) *output {
	o := human
	c.Flags().VarP(&o, "output", "o", "human, json or ndjson")
	return &o
}

// printReport prints a report: whole as JSON, its parts as a line of JSON each,
// or by the caller's way for people.
func printReport[T any](w io.Writer, o output, whole any, parts []T, people func(io.Writer) error) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	switch o {
	case asJSON:
		enc.SetIndent("", "  ")
		return enc.Encode(whole)
	case ndjson:
		for i := range parts {
			if err := enc.Encode(&parts[i]); err != nil {
				return err
			}
		}
		return nil
	default:
		return people(w)
	}
}

// printAll prints a list.
func printAll[T any](w io.Writer, o output, list []T, people func(io.Writer) error) error {
	return printReport(w, o, list, list, people)
}

// printOne prints one thing.
func printOne[T any](w io.Writer, o output, v T, people func(io.Writer) error) error {
	return printReport(w, o, v, []T{v}, people)
}
