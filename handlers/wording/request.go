package wording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// unknownMember is what package json says of a member that nobody reads.
var unknownMember = regexp.MustCompile(`^json: unknown field (".*")$`)

// JSONError says what is wrong with the JSON body of a request.
func JSONError(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var moment *time.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return "The body is empty: send a JSON object."
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "The body is not JSON: it ends too early."
	case errors.As(err, &syntax):
		return fmt.Sprintf("The body is not JSON: a mistake at byte %d.", syntax.Offset)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Sprintf("The body is a JSON object, not %s.", jsonKind(kind.Value))
	case errors.As(err, &kind):
		return fmt.Sprintf("%s is %s, not %s.", kind.Field, jsonType(kind.Type), jsonKind(kind.Value))
	case errors.As(err, &moment):
		return fmt.Sprintf("%q is not a time: date, time and zone, such as 2026-12-01T06:00:00Z.", strings.Trim(moment.Value, `"`))
	case strings.HasPrefix(err.Error(), "Time.UnmarshalJSON"):
		return "A time is a text: date, time and zone, such as 2026-12-01T06:00:00Z."
	}
	if m := unknownMember.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Sprintf("The body has an unknown field %s.", m[1])
	}
	return "The body cannot be read: " + err.Error() + "."
}

// jsonKind is a kind of JSON value as package json names it.
func jsonKind(s string) string {
	kind, _, _ := strings.Cut(s, " ")
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "string":
		return "a text"
	case "bool":
		return "a truth value"
	}
	return "a " + kind
}

// jsonType is what a member is read as.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "an object"
}
