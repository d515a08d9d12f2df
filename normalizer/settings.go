package normalizer

import (
	"errors"
	"strings"
)

// CheckNoBlank refuses a secret that was pasted with more around it: no
// provider's keys contain white space or quotes.
func CheckNoBlank(value string) error {
	if strings.ContainsAny(value, " \t\r\n\"'") {
		return errors.New("contains white space or quotes")
	}
	return nil
}
