package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/rules"
)

// Output is how a command prints its result.
type Output string

const (
	Human  Output = "human"
	JSON   Output = "json"
	ndjson Output = "ndjson"
)

// String and Set make output a flag.
func (o *Output) String() string { return string(*o) }

// Set refuses what is no form of output.
func (o *Output) Set(s string) error {
	switch v := Output(strings.ToLower(s)); v {
	case Human, JSON, ndjson:
		*o = v
		return nil
	default:
		return fmt.Errorf("%q is none of human, json, ndjson", s)
	}
}

// Type names the flag's type in help texts.
func (o *Output) Type() string { return "format" }

func AddOutput(c *cobra.Command) *Output {
	o := Human
	c.Flags().VarP(&o, "output", "o", "human, json or ndjson")
	return &o
}

// PrintReport prints a report: whole as JSON, its parts as a line of JSON each,
// or by the caller's way for people.
func PrintReport[T any](w io.Writer, o Output, whole any, parts []T, people func(io.Writer) error) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	switch o {
	case JSON:
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

// PrintAll prints a list.
func PrintAll[T any](w io.Writer, o Output, list []T, people func(io.Writer) error) error {
	return PrintReport(w, o, list, list, people)
}

// PrintOne prints one thing.
func PrintOne[T any](w io.Writer, o Output, v T, people func(io.Writer) error) error {
	return PrintReport(w, o, v, []T{v}, people)
}

// PrintProblems prints what is wrong with files, one problem after the other.
func PrintProblems(c *cobra.Command, o Output, all rules.Problems) error {
	return PrintAll(c.OutOrStdout(), o, all, func(w io.Writer) error {
		for _, p := range all {
			style := Warn
			if p.IsError() {
				style = Bad
			}
			fmt.Fprintln(w, strings.Replace(p.String(), ": "+p.Severity+": ", ": "+Styled(w, style, p.Severity)+": ", 1))
		}
		return nil
	})
}
