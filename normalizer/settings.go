package normalizer

import (
	"errors"
	"net/url"
	"strings"
)

// CheckAddress refuses what is no address of a REST API. The error does not quote it: it
// may hold a password.
func CheckAddress(value string) error {
	switch u, err := url.Parse(value); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("not a web address, such as https://api.example.com")
	case u.User != nil:
		return errors.New("must not hold a user or a password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must not hold a query or a fragment")
	}
	return nil
}

// CheckNoBlank refuses a secret that was pasted with more around it: no
// provider's keys contain white space or quotes.
func CheckNoBlank(value string) error {
	if strings.ContainsAny(value, " \t\r\n\"'") {
		return errors.New("contains white space or quotes")
	}
	return nil
}
