// Package cli has what commands share: their exit codes, their settings, how they print,
// and how they ask a running callwatch.
package cli

// Exit codes.
const (
	ExitFine     = 0
	ExitProblems = 1 // problems found
	ExitUsage    = 2
	ExitWarnings = 3 // warnings under --strict
	ExitRuntime  = 4 // could not reach the server, or failed while running
)

// ExitError carries the exit code of an error. Its text may be empty: then what
// there was to say has been said.
type ExitError struct {
	Code int
	err  error
}

func (e *ExitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *ExitError) Unwrap() error { return e.err }

// Usage is an error of wrong usage, Problems one of what was looked at.
func Usage(err error) error    { return &ExitError{ExitUsage, err} }
func Problems(err error) error { return &ExitError{ExitProblems, err} }

// Silent ends the program with a code and nothing more to say.
func Silent(code int) error { return &ExitError{Code: code} }
